//! `anteroom users`: people and their telephones.

use crate::args;
use crate::out::{Exit, Outcome, Problem, json, line};
use anteroom_appliance::{Place, StartError, open_store, open_store_to_read, users};
use serde_json::json as object;

pub(crate) fn run(place: &args::Place, command: args::Users) -> Outcome {
    let (config, place) = Place::find(place.data.as_deref(), place.config.as_deref())?;
    match command {
        args::Users::List { json: as_json } => {
            let store = open_store_to_read(&config, &place)?;
            let people = store.list_people()?;
            if people.is_empty() && !as_json {
                line("nobody yet; add somebody with: anteroom users add 201 --name \"Front desk\"");
            }
            for c in users::concerns(&config, &people) {
                crate::out::warn(format!("{}\n  {}", c.detail, c.hint));
            }
            for p in people {
                if as_json {
                    json(
                        &object!({ "user": p.user, "name": p.name, "rings": p.rings, "outbound": p.outbound, "class": p.class }),
                    );
                } else {
                    let rings = match p.rings {
                        0 => "does not ring for callers".to_owned(),
                        n => format!("rings at place {n}"),
                    };
                    let out = if p.outbound {
                        format!("rings out as {}", p.class)
                    } else {
                        "inside only".to_owned()
                    };
                    line(format!("{:<16} {:<32} {rings}, {out}", p.user, p.name));
                }
            }
        }
        args::Users::Add {
            user,
            name,
            rings,
            outbound,
            class,
            json: as_json,
        } => {
            let store = open_store(&config, &place).map_err(running)?;
            let class = outbound.then_some(class.as_str());
            let password = users::add(&store, &config, &user, &name, rings, class, users::COMMAND_LINE)?;
            if let Some(class) = class.filter(|c| !config.outbound.has_class(c)) {
                crate::out::warn(format!(
                    "there is no [[outbound.class]] named '{class}' in the configuration: until there is, {user} may ring no number outside but emergency numbers"
                ));
            }
            let realm = config.desk.realm.get_ref();
            if as_json {
                json(&object!({ "user": user, "password": password.as_str(), "realm": realm }));
            } else {
                line(format!("user      {user}"));
                line(format!("password  {}", password.as_str()));
                line(format!("domain    {realm}"));
                line(
                    "The password is shown this once: it is kept hashed. To have another: anteroom users add again.",
                );
            }
        }
        args::Users::Remove { user } => {
            let store = open_store(&config, &place).map_err(running)?;
            users::remove(&store, &user, users::COMMAND_LINE)?;
            line(format!("{user} is removed"));
        }
    }
    Ok(Exit::Ok)
}

/// Why people cannot be changed by this command now: the appliance that runs has them, and takes changes itself.
fn running(e: StartError) -> Problem {
    match e {
        StartError::Held { dir } => Problem::new(
            format!(
                "an Anteroom is running on the data in {} [store.locked]",
                dir.display()
            ),
            "Change people through it, without a restart: sign in as an administrator and use POST and DELETE \
             /api/v1/users (docs/API.md). Or stop it first.",
        ),
        e => e.into(),
    }
}
