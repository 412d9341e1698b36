use crate::Outcome;
use crate::args::{Format, History};
use crate::output::{data, table};
use crate::session::Session;

pub(crate) fn run(args: &History) -> Outcome {
    let session = Session::open(&args.state, None)?;
    let id = session.by_name(&args.name);
    let entries = session.clock.run(session.engine.history_of(&id))?;
    if args.output != Format::Table {
        data(&entries, args.output)?;
        return Ok(0);
    }
    if entries.is_empty() {
        println!("{} was not synced yet", args.name);
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            vec![
                entry.id.to_string(),
                entry.revision().chars().take(12).collect(),
                entry.deployed_at.to_second().to_string(),
                entry.objects.to_string(),
                if entry.initiated_by.automated {
                    "automated".to_owned()
                } else {
                    entry.initiated_by.username.clone()
                },
                entry
                    .healthy_at
                    .map_or_else(|| "never healthy".to_owned(), |_| "healthy".to_owned()),
                entry
                    .rollback_of
                    .map(|of| format!("rollback to {of}"))
                    .unwrap_or_default(),
            ]
        })
        .collect();
    table(
        &[
            "ID",
            "REVISION",
            "DEPLOYED AT",
            "OBJECTS",
            "BY",
            "HEALTH",
            "",
        ],
        &rows,
    );
    Ok(0)
}
