use gitops::health::{Assessment, Context, assess};
use gitops::manifest::{Object, Value};

use crate::Outcome;
use crate::args::{Format, Show};
use crate::output::{Paint, data};
use crate::session::Session;

pub(crate) fn run(args: &Show, paint: Paint) -> Outcome {
    let session = Session::open(&args.which.state, None)?;
    let id = session.application(&args.which)?;
    session.clock.run(session.settle(&id))?;
    session.save()?;
    let objects = session.target.objects();
    let Some(refreshed) = session.engine.refreshed(&id) else {
        return Ok(session.verdict(&id, paint).max(1));
    };
    let mut roots = Vec::new();
    for resource in &refreshed.comparison.resources {
        match &resource.live {
            Some(live) if args.output == Format::Table => print(live, &objects, paint, "", ""),
            Some(live) => roots.push(value(live, &objects)),
            None if args.output == Format::Table => {
                println!(
                    "{}/{} {}",
                    resource.key.kind,
                    resource.key.name,
                    paint.health("Missing")
                );
            }
            None => {}
        }
    }
    if args.output != Format::Table {
        data(&roots, args.output)?;
    }
    Ok(0)
}

fn children<'a>(parent: &Object, objects: &'a [Object]) -> Vec<&'a Object> {
    let owned = |object: &&Object| {
        let owners = object.meta("ownerReferences").and_then(Value::as_array);
        owners.is_some_and(|owners| {
            owners
                .iter()
                .any(|owner| owner["uid"].as_str() == Some(parent.uid()))
        })
    };
    objects.iter().filter(owned).collect()
}

fn print(object: &Object, objects: &[Object], paint: Paint, first: &str, rest: &str) {
    let health = assess(object, &Context::new());
    let status = health.as_ref().map_or("", |health| health.status.as_str());
    let message = health.as_ref().map_or_else(String::new, says);
    println!(
        "{first}{}/{} {} {}",
        object.kind(),
        object.name(),
        paint.health(status),
        paint.dim(&message)
    );
    let children = children(object, objects);
    for (i, child) in children.iter().enumerate() {
        let (branch, trunk) = if i + 1 == children.len() {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        print(
            child,
            objects,
            paint,
            &format!("{rest}{branch}"),
            &format!("{rest}{trunk}"),
        );
    }
}

/// Returns the message of an assessment, and the reason where the message does not say it: `ImagePullBackOff: Back-off …`.
fn says(health: &Assessment) -> String {
    let message = &*health.message;
    match health.cause.as_deref() {
        Some(cause) if !cause.reason.is_empty() && !message.contains(&*cause.reason) => {
            let separator = if message.is_empty() { "" } else { ": " };
            format!("{}{separator}{message}", cause.reason)
        }
        _ => message.to_owned(),
    }
}

fn value(object: &Object, objects: &[Object]) -> serde_json::Value {
    let health = assess(object, &Context::new());
    serde_json::json!({
        "group": object.group(),
        "kind": object.kind(),
        "namespace": object.namespace(),
        "name": object.name(),
        "health": health.as_ref().map(|health| health.status.to_string()),
        "message": health.as_ref().map(|health| &*health.message).filter(|message| !message.is_empty()),
        "reason": health.as_ref().and_then(|health| health.cause.as_deref()).map(|cause| &*cause.reason),
        "children": children(object, objects).iter().map(|o| value(o, objects)).collect::<Vec<_>>(),
    })
}
