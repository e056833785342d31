//! `anteroom automation`: the kill switch, while no appliance runs.

use crate::args::{self, OnOff};
use crate::out::{Exit, Outcome, Problem, json, line};
use anteroom_appliance::{Place, StartError, automation, open_store, open_store_to_read, users};

pub(crate) fn run(place: &args::Place, to: Option<OnOff>, as_json: bool) -> Outcome {
    let (config, place) = Place::find(place.data.as_deref(), place.config.as_deref())?;
    let on = if let Some(to) = to {
        let store = open_store(&config, &place).map_err(running)?;
        let on = to == OnOff::On;
        automation::switch(&store, on, users::COMMAND_LINE)?;
        on
    } else {
        automation::is_on(&open_store_to_read(&config, &place)?)?
    };
    if as_json {
        json(&serde_json::json!({ "on": on }));
    } else if on {
        line("on: the receptionist answers callers");
    } else {
        line("off: callers ring at the desk at once");
    }
    Ok(Exit::Ok)
}

/// Why it cannot be thrown by this command now: the appliance that runs has it in its own hands.
fn running(e: StartError) -> Problem {
    match e {
        StartError::Held { dir } => Problem::new(
            format!(
                "an Anteroom is running on the data in {} [store.locked]",
                dir.display()
            ),
            "Throw its switch: dial *90 (off) or *91 (on) from a telephone of the desk, press it on the page, or use \
             POST /api/v1/automation (docs/API.md).",
        ),
        e => e.into(),
    }
}
