//! `anteroom gate` and `anteroom knowledge`.

use crate::args;
use crate::out::{Exit, Outcome, Problem, each, json, line};
use anteroom_appliance::{Clinic, Place, knowledge as base, open_store, open_store_to_read, tools};
use anteroom_types::EntryId;
use anteroom_types::knowledge::KnowledgeEntry;

pub(crate) fn gate(place: &args::Place, text: Option<String>, as_json: bool) -> Outcome {
    let (config, _) = Place::find(place.data.as_deref(), place.config.as_deref())?;
    let clinic = Clinic::load(&config)?;
    each(text, |t| {
        let v = tools::gate(&clinic, t);
        if as_json {
            json(&v);
        } else {
            line(format!("{}: {}", v.class, v.why));
        }
        Ok(())
    })
}

pub(crate) async fn run(place: &args::Place, command: args::Knowledge) -> Outcome {
    let (config, place) = Place::find(place.data.as_deref(), place.config.as_deref())?;
    match command {
        args::Knowledge::Import { files, approve_by } => {
            let tool = match &approve_by {
                Some(_) => Some(tools::Knowledge::open(&config, &place).await?),
                None => None,
            };
            let store = match &tool {
                Some(t) => t.store.clone(),
                None => open_store(&config, &place)?,
            };
            for file in files {
                for (id, version) in base::import_file(&store, &file)? {
                    match (&tool, &approve_by) {
                        (Some(tool), Some(name)) => {
                            tool.approve(&id, version, name).await?;
                            line(format!("approved {id} v{version}"));
                        }
                        _ => line(format!("draft    {id} v{version}")),
                    }
                }
            }
            Ok(Exit::Ok)
        }
        args::Knowledge::List { json: as_json } => {
            let entries = open_store_to_read(&config, &place)?.list(None)?;
            if entries.is_empty() && !as_json {
                line("no entries yet; make some with: anteroom knowledge import FILE");
            }
            for e in entries {
                if as_json {
                    json(&e);
                } else {
                    line(format!(
                        "{:<9} {:<28} v{:<3} {}  {}",
                        status(&e),
                        e.id,
                        e.version,
                        e.language,
                        e.title
                    ));
                }
            }
            Ok(Exit::Ok)
        }
        args::Knowledge::Show { id, json: as_json } => {
            let e = open_store_to_read(&config, &place)?
                .get(&entry(&id)?)?
                .ok_or_else(|| none(&id))?;
            if as_json {
                json(&e);
            } else {
                show(&e);
            }
            Ok(Exit::Ok)
        }
        args::Knowledge::Approve { id, by } => {
            let tool = tools::Knowledge::open(&config, &place).await?;
            let e = tool.store.get(&entry(&id)?)?.ok_or_else(|| none(&id))?;
            tool.approve(&e.id, e.version, &by).await?;
            line(format!("approved {} v{}", e.id, e.version));
            Ok(Exit::Ok)
        }
        args::Knowledge::Retire { id, by } => {
            let id = entry(&id)?;
            open_store(&config, &place)?.retire(&id, &by, tools::now())?;
            line(format!("retired {id}"));
            Ok(Exit::Ok)
        }
        args::Knowledge::Ask {
            question,
            json: as_json,
        } => {
            let tool = tools::Knowledge::open_to_read(&config, &place).await?;
            each(question, |q| {
                let a = tool.ask(q)?;
                if as_json {
                    json(&a);
                } else {
                    match &a.entry {
                        Some(e) => line(format!(
                            "{}: {} v{} ({:.3}) {}",
                            a.decision, e.id, e.version, e.score, e.title
                        )),
                        None => line(format!("{}: {}", a.decision, a.why)),
                    }
                    if let Some(r) = &a.runner_up {
                        line(format!("  runner-up: {} v{} ({:.3})", r.id, r.version, r.score));
                    }
                }
                Ok(())
            })
        }
    }
}

fn entry(id: &str) -> Result<EntryId, Problem> {
    EntryId::new(id).map_err(|e| Problem::new(e, "List the entries with: anteroom knowledge list"))
}

fn none(id: &str) -> Problem {
    Problem::new(
        format!("there is no entry '{id}'"),
        "List the entries with: anteroom knowledge list",
    )
}

fn status(e: &KnowledgeEntry) -> String {
    format!("{:?}", e.status).to_lowercase()
}

fn show(e: &KnowledgeEntry) {
    line(format!("{} v{} ({}), {}", e.id, e.version, e.language, status(e)));
    line(format!("{}\n\n{}\n", e.title, e.answer));
    for q in &e.questions {
        line(format!("  Q: {q}"));
    }
    if let Some(by) = &e.approved_by {
        line(format!("\napproved by {by}"));
    }
}
