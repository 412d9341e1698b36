use gitops::application::SyncStatusCode;
use gitops::comparison::Compared;
use gitops::diff::mask::{MaskOptions, is_secret, secrets};
use gitops::diff::show::{self, ShowOptions};
use gitops::manifest::Object;
use serde_json::json;

use crate::Outcome;
use crate::args::{Diff, Format};
use crate::output::{Paint, data};
use crate::session::Session;

pub(crate) fn run(args: &Diff, paint: Paint) -> Outcome {
    let session = Session::open(&args.which.state, None)?;
    let id = session.application(&args.which)?;
    let refreshed = session.clock.run(async {
        session.engine.update().await?;
        session.engine.refresh(&id).await
    })?;
    let Some(refreshed) = refreshed else {
        let status = session.engine.status(&id).unwrap_or_default();
        let reasons: Vec<String> = status.conditions.into_iter().map(|c| c.message).collect();
        return Err(reasons.join("; ").into());
    };
    let mut different = 0;
    let mut documents = Vec::new();
    for resource in &refreshed.comparison.resources {
        if let Some(error) = &resource.error {
            return Err(format!("{}: {error}", resource.key).into());
        }
        if resource.status != Some(SyncStatusCode::OutOfSync) {
            continue;
        }
        different += 1;
        // What is shown is masked; what is counted is not.
        let (desired, live) = masked(resource);
        let comparison = refreshed
            .differ()
            .compare(desired.as_ref(), live.as_ref())?;
        match args.output {
            Format::Table if args.summary => println!("{}", comparison.summary()),
            Format::Table => {
                let options = ShowOptions::default()
                    .colour(paint.is_on())
                    .width(args.width);
                let shown = if args.side_by_side {
                    show::side_by_side(&comparison, &options)
                } else {
                    show::unified(&comparison, &options)
                };
                print!("{shown}");
                if args.explain {
                    explain(&comparison, live.as_ref(), paint);
                }
            }
            _ => documents.push(json!({
                "group": resource.key.group,
                "kind": resource.key.kind,
                "namespace": resource.key.namespace,
                "name": resource.key.name,
                "status": serde_json::to_value(comparison.status)?,
                "differences": serde_json::to_value(show::json(&comparison)["differences"].clone())?,
            })),
        }
    }
    if args.output != Format::Table {
        data(&documents, args.output)?;
    }
    Ok(u8::from(different > 0))
}

/// Masks what a Secret holds, so that equal values are seen to be equal and others to differ.
fn masked(resource: &Compared) -> (Option<Object>, Option<Object>) {
    let (desired, live) = (resource.desired.as_ref(), resource.live.as_ref());
    if desired.or(live).is_some_and(is_secret) {
        secrets(desired, live, &MaskOptions::default())
    } else {
        (desired.cloned(), live.cloned())
    }
}

fn explain(comparison: &gitops::diff::Comparison, live: Option<&Object>, paint: Paint) {
    for difference in &comparison.differences {
        println!("  {}", difference.explain());
        if let Some(live) = live {
            let rule = difference.ignore_rule(live);
            if let Ok(rule) = serde_json::to_string(&rule) {
                println!("    {}", paint.dim(&format!("to ignore it: {rule}")));
            }
        }
    }
}
