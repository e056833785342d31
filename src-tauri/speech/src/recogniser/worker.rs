//! The threads: workers that decode, and one that looks at rungs that do not work.

use super::queue::Queued;
use super::rung::RungState;
use super::{CancelFlag, Job, JobKind, RecogniseError, Shared, Transcript};
use crate::whisper::{DecodeError, Decoder};
use anteroom_types::{TraceId, Wall, audio};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A worker's working memory, by rung, with the number of the load it belongs to.
type Decoders = HashMap<usize, (u64, Decoder)>;

pub(super) fn run(shared: &Shared) {
    let mut decoders = Decoders::new();
    if let Some(best) = shared.rungs.active() {
        // Made before the first call needs it.
        let _ = decoder(shared, &mut decoders, best);
    }
    while let Some(queued) = shared.queue.pop() {
        let Queued {
            job,
            reply,
            since,
            probe,
        } = queued;
        if job.cancel.is_cancelled() || reply.is_closed() {
            let _ = reply.send(Err(RecogniseError::Cancelled));
            continue;
        }
        let waited = since.elapsed();
        if probe.is_none() && job.kind == JobKind::Final && waited > shared.config.wait_give_up {
            shared.rungs.note_wait();
            let _ = reply.send(Err(RecogniseError::Late));
            continue;
        }
        let result = match probe {
            Some(rung) => {
                on_rung(shared, &mut decoders, rung, &job).map_err(|_| RecogniseError::NoRecogniser)
            }
            None => descend(shared, &mut decoders, &job, waited),
        };
        shared.publish();
        // The future may have been dropped meanwhile.
        let _ = reply.send(result);
    }
}

/// Tries the best rung, once more if it failed, then the next.
fn descend(
    shared: &Shared,
    decoders: &mut Decoders,
    job: &Job,
    waited: Duration,
) -> Result<Transcript, RecogniseError> {
    let mut from = 0;
    while let Some(rung) = shared.rungs.active_from(from) {
        from = rung + 1;
        let mut outcome = on_rung(shared, decoders, rung, job);
        if matches!(outcome, Err(DecodeError::Failed { .. })) {
            // Its working memory may be what is broken.
            decoders.remove(&rung);
            outcome = on_rung(shared, decoders, rung, job);
        }
        match outcome {
            Ok(transcript) => {
                let took = Duration::from_millis(transcript.decode_ms);
                let late = job.kind == JobKind::Final && waited > shared.config.wait_max;
                shared
                    .rungs
                    .note_success(rung, took, late || took > shared.config.decode_slow);
                return Ok(transcript);
            }
            Err(DecodeError::Cancelled) => return Err(cancelled(shared)),
            Err(e) => shared.rungs.note_failure(rung, &e),
        }
    }
    Err(RecogniseError::NoRecogniser)
}

fn cancelled(shared: &Shared) -> RecogniseError {
    if shared.stop.is_cancelled() {
        RecogniseError::Stopping
    } else {
        RecogniseError::Cancelled
    }
}

fn on_rung(
    shared: &Shared,
    decoders: &mut Decoders,
    rung: usize,
    job: &Job,
) -> Result<Transcript, DecodeError> {
    let config = &shared.config.rungs[rung];
    let decoder = decoder(shared, decoders, rung)?;
    let decoded = decoder.decode(
        &job.samples,
        &config.settings,
        job.language.as_deref(),
        &job.cancel.or(&shared.stop),
    )?;
    Ok(Transcript {
        text: decoded.text,
        confidence: decoded.confidence,
        no_speech_prob: decoded.no_speech_prob,
        rung: config.name.clone(),
        model: config.model.id.clone(),
        demonstration: config.model.demonstration,
        decode_ms: u64::try_from(decoded.took.as_millis()).unwrap_or(u64::MAX),
        dropped_as: decoded.dropped_as,
    })
}

fn decoder<'a>(
    shared: &Shared,
    decoders: &'a mut Decoders,
    rung: usize,
) -> Result<&'a mut Decoder, DecodeError> {
    let gone = DecodeError::Failed { code: "no model" };
    let (model, generation) = shared.rungs.model(rung).ok_or(gone)?;
    if decoders.get(&rung).is_none_or(|(g, _)| *g != generation) {
        decoders.insert(rung, (generation, model.decoder()?));
    }
    decoders.get_mut(&rung).map(|(_, d)| d).ok_or(gone)
}

/// Looks at every rung that does not work, and takes it back when it decodes in time.
pub(super) fn probe(shared: &Shared) {
    while shared.queue.wait_probe(shared.config.probe_every) {
        for rung in 0..shared.config.rungs.len() {
            let state = shared.rungs.state(rung);
            let worth_it = match state {
                RungState::Ready => false,
                RungState::Missing | RungState::Corrupt | RungState::Loading => shared.rungs.load(rung),
                RungState::Failing => true,
                // Under load a slow rung would only be slower.
                RungState::TooSlow => shared.queue.len() == 0,
            };
            if worth_it && decodes_in_time(shared, rung) {
                shared.rungs.note_recovered(rung);
            }
            shared.publish();
        }
    }
}

fn decodes_in_time(shared: &Shared, rung: usize) -> bool {
    let (reply, answer) = oneshot::channel();
    let job = Job {
        samples: test_signal(),
        kind: JobKind::Partial,
        language: None,
        trace: TraceId::new(Wall(0), 0),
        cancel: CancelFlag::default(),
    };
    let queued = Queued {
        job,
        reply,
        since: Instant::now(),
        probe: Some(rung),
    };
    shared.queue.push(queued).is_ok()
        && matches!(answer.blocking_recv(),
            Ok(Ok(t)) if Duration::from_millis(t.decode_ms) <= shared.config.decode_slow)
}

/// Three seconds of a quiet hum: the encoder's work does not depend on what is heard.
fn test_signal() -> Arc<[i16]> {
    (0..audio::ms_to_samples(3_000))
        .map(|i| if (i / 73) % 2 == 0 { 300 } else { -300 })
        .collect()
}
