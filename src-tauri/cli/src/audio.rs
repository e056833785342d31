//! `anteroom transcribe` and `anteroom vad`.

use crate::args;
use crate::out::{Exit, Outcome, json, line};
use anteroom_appliance::{Place, tools};
use std::path::Path;

pub(crate) async fn transcribe(place: &args::Place, t: &args::Transcribe) -> Outcome {
    let (config, place) = Place::find(place.data.as_deref(), place.config.as_deref())?;
    let tool = tools::Transcriber::open(&config, &place, t.model.as_deref()).await?;
    if tool.is_demonstration() {
        eprintln!("anteroom: this is the demonstration model; it has never heard a human being");
    }
    for file in &t.files {
        let done = tool.transcribe(file, t.whole)?;
        if t.json {
            json(&done);
        } else if t.files.len() > 1 {
            line(format!("{}: {}", file.display(), done.text));
        } else {
            line(done.text);
        }
    }
    Ok(Exit::Ok)
}

pub(crate) async fn vad(place: &args::Place, file: &Path, as_json: bool) -> Outcome {
    let (_, place) = Place::find(place.data.as_deref(), place.config.as_deref())?;
    let found = tools::vad(&place, file)?;
    if as_json {
        json(&found);
    } else {
        for s in &found.speech {
            line(format!("{:>8.2} s to {:>8.2} s", s.start_s, s.end_s));
        }
        if found.speech.is_empty() {
            line("no speech");
        }
    }
    Ok(Exit::Ok)
}
