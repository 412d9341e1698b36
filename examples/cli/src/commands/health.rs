use crate::Outcome;
use crate::args::{Format, Show};
use crate::output::{Paint, data, table};
use crate::session::Session;

pub(crate) fn run(args: &Show, paint: Paint) -> Outcome {
    let session = Session::open(&args.which.state, None)?;
    let id = session.application(&args.which)?;
    session.clock.run(session.settle(&id))?;
    session.save()?;
    let status = session.engine.status(&id).unwrap_or_default();
    if args.output == Format::Table {
        let rows: Vec<Vec<String>> = status
            .resources
            .iter()
            .map(|resource| {
                let health = resource.health.clone().unwrap_or_default();
                vec![
                    resource.kind.clone(),
                    resource.namespace.clone(),
                    resource.name.clone(),
                    resource
                        .status
                        .map(|status| status.to_string())
                        .unwrap_or_default(),
                    paint.health(&health.status),
                    health.message,
                ]
            })
            .collect();
        table(
            &["KIND", "NAMESPACE", "NAME", "SYNC", "HEALTH", "MESSAGE"],
            &rows,
        );
        println!();
        session.verdict(&id, paint);
        if !status.health.message.is_empty() {
            println!("  {}", status.health.message);
        }
    } else {
        data(&status, args.output)?;
    }
    Ok(u8::from(!matches!(
        status.health.status.as_str(),
        "Healthy" | "Suspended"
    )))
}
