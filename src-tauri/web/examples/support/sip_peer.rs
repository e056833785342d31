//! Hands browsers' SIP on to a real SIP server, message by message.

use crate::fake::{Fake, Handsets};
use axum::body::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Starts it when `ANTEROOM_SIP_PEER` names a server. What is sent on the channel returned closes every connection.
pub(crate) fn start(engine: &Arc<Fake>) -> broadcast::Sender<()> {
    let (cut, _) = broadcast::channel(4);
    if let Ok(peer) = std::env::var("ANTEROOM_SIP_PEER") {
        let mut handsets = engine.handsets();
        let cuts = cut.clone();
        tokio::spawn(async move {
            while let Some(handset) = handsets.recv().await {
                let (peer, mut cut) = (peer.clone(), cuts.subscribe());
                tokio::spawn(async move {
                    tokio::select! {
                        done = relay(handset, &peer) => {
                            if let Err(e) = done {
                                eprintln!("the SIP server: {e}");
                            }
                        }
                        _ = cut.recv() => {}
                    }
                });
            }
        });
    }
    cut
}

async fn relay(mut handset: Handsets, peer: &str) -> Result<(), Box<tokio_tungstenite::tungstenite::Error>> {
    let mut request = peer.into_client_request()?;
    let sip = HeaderValue::from_static("sip");
    request.headers_mut().insert("sec-websocket-protocol", sip);
    let (mut server, _) = connect_async(request).await?;
    loop {
        tokio::select! {
            from = handset.from_browser.recv() => match from {
                Some(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    server.send(Message::text(text)).await?;
                }
                None => return Ok(()),
            },
            from = server.next() => match from.transpose()? {
                Some(Message::Text(text)) => {
                    let _ = handset.to_browser.send(Bytes::from(text)).await;
                }
                Some(Message::Binary(bytes)) => {
                    let _ = handset.to_browser.send(bytes).await;
                }
                Some(Message::Close(_)) | None => return Ok(()),
                Some(_) => {}
            },
        }
    }
}
