//! `anteroom models`.

use crate::args;
use crate::out::{Exit, Outcome, json, line};
use anteroom_appliance::{Place, tools};

pub(crate) async fn run(place: &args::Place, command: args::Models) -> Outcome {
    let (_, place) = Place::find(place.data.as_deref(), place.config.as_deref())?;
    let shelf = tools::Models::open(&place)?;
    match command {
        args::Models::List { json: as_json } => {
            for m in shelf.list() {
                if as_json {
                    json(&m);
                } else {
                    let note = if m.demonstration {
                        "  DEMONSTRATION ONLY"
                    } else {
                        ""
                    };
                    line(format!(
                        "{:<8} {:<22} {:>9} {}{note}",
                        m.state, m.id, m.size, m.licence
                    ));
                }
            }
            Ok(Exit::Ok)
        }
        args::Models::Fetch { id } => {
            let mut last = 101;
            shelf
                .fetch(&id, move |percent| {
                    if percent / 5 != last / 5 {
                        eprintln!("  {percent} %");
                        last = percent;
                    }
                })
                .await?;
            line(format!("{id} is here and verified"));
            Ok(Exit::Ok)
        }
        args::Models::Add { id, file } => {
            shelf.add(&id, &file)?;
            line(format!("{id} is here and verified"));
            Ok(Exit::Ok)
        }
        args::Models::Verify { id } => {
            shelf.verify(&id)?;
            line(format!("{id} is as it should be"));
            Ok(Exit::Ok)
        }
        args::Models::Remove { id } => {
            shelf.remove(&id)?;
            line(format!("{id} was removed"));
            Ok(Exit::Ok)
        }
    }
}
