//! A write that is on its way to the disk.

use crate::error::StoreError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use tokio::sync::oneshot;

/// Resolves once the write is on the disk, or has failed. Dropping it does not undo the write.
#[must_use = "a fact counts once its write is acknowledged"]
#[derive(Debug)]
pub struct Pending<T = ()>(State<T>);

#[derive(Debug)]
enum State<T> {
    Ready(Option<Result<T, StoreError>>),
    Waiting(oneshot::Receiver<Result<T, StoreError>>),
}

impl<T> Pending<T> {
    pub(crate) const fn ready(result: Result<T, StoreError>) -> Self {
        Self(State::Ready(Some(result)))
    }

    pub(crate) fn channel() -> (oneshot::Sender<Result<T, StoreError>>, Self) {
        let (tx, rx) = oneshot::channel();
        (tx, Self(State::Waiting(rx)))
    }

    /// Waits on the calling thread. For threads that may block; a future is awaited instead.
    ///
    /// # Errors
    /// When the write failed.
    pub fn wait_blocking(self) -> Result<T, StoreError>
    where
        T: Unpin,
    {
        block_on(self)
    }
}

/// Waits for a future on the calling thread. Unlike the runtime's own means it may be called anywhere, within a
/// runtime too, where it holds up its thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    // Unconstrained: within a runtime the scheduler's budget would otherwise make it pending for ever.
    let mut future = std::pin::pin!(tokio::task::unconstrained(future));
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        std::thread::park();
    }
}

impl<T: Unpin> Future for Pending<T> {
    type Output = Result<T, StoreError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(result) => Poll::Ready(result.take().unwrap_or(Err(StoreError::Closed))),
            State::Waiting(rx) => Pin::new(rx)
                .poll(cx)
                .map(|r| r.unwrap_or(Err(StoreError::Closed))),
        }
    }
}
