use std::collections::HashMap;

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
        let refreshed = session.engine.refreshed(&id);
        let compared = refreshed
            .iter()
            .flat_map(|refreshed| &refreshed.comparison.resources);
        // What is at the root of it, where that is another object.
        let causes: HashMap<(&str, &str, &str, &str), String> = compared
            .filter_map(|resource| {
                let (key, health) = (&resource.key, resource.health.as_ref()?);
                let cause = health.cause.as_deref()?;
                let named = (&*key.group, &*key.kind, &*key.namespace, &*key.name);
                (cause.object != *key).then(|| (named, cause.to_string()))
            })
            .collect();
        let rows: Vec<Vec<String>> = status
            .resources
            .iter()
            .map(|resource| {
                let health = resource.health.clone().unwrap_or_default();
                let named = (
                    &*resource.group,
                    &*resource.kind,
                    &*resource.namespace,
                    &*resource.name,
                );
                let message = match causes.get(&named) {
                    Some(cause) => format!("{}, because of {cause}", health.message),
                    None => health.message,
                };
                vec![
                    resource.kind.clone(),
                    resource.namespace.clone(),
                    resource.name.clone(),
                    resource
                        .status
                        .map(|status| status.to_string())
                        .unwrap_or_default(),
                    paint.health(&health.status),
                    message,
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
