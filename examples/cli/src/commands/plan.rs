use std::fs;

use gitops::{Action, Plan as EnginePlan, SyncRequest};

use crate::Outcome;
use crate::args::Plan;
use crate::output::Paint;
use crate::session::Session;

pub(crate) fn run(args: &Plan, paint: Paint) -> Outcome {
    let session = Session::open(&args.which.state, None)?;
    let id = session.application(&args.which)?;
    let request = SyncRequest::by("cli").with_prune(args.prune);
    let plan = session.clock.run(session.engine.plan(&id, &request))?;
    session.save()?;
    print(&plan, paint);
    if let Some(file) = &args.output {
        fs::write(file, serde_json::to_string_pretty(&plan)?)?;
        println!("\nTo carry it out: gitops apply {}", file.display());
    }
    if !plan.complaints.is_empty() {
        for complaint in &plan.complaints {
            println!("{} {complaint}", paint.red("✗"));
        }
        return Ok(2);
    }
    Ok(u8::from(!plan.is_empty()))
}

fn print(plan: &EnginePlan, paint: Paint) {
    let mut last = None;
    for (phase, wave, step) in plan.steps() {
        if last != Some((phase, wave)) {
            println!("{}", paint.bold(&format!("{phase}, wave {wave}")));
            last = Some((phase, wave));
        }
        let action = format!("{:<7}", step.action);
        let action = match step.action {
            Action::Create | Action::Run => paint.green(&action),
            Action::Update => paint.yellow(&action),
            Action::Prune => paint.red(&action),
            Action::Keep | Action::Leave => paint.dim(&action),
        };
        println!("  {action} {}", step.key);
    }
    let counts: Vec<String> = plan
        .counts()
        .iter()
        .map(|(action, count)| format!("{count} to {action}"))
        .collect();
    println!(
        "{}",
        if counts.is_empty() {
            "nothing to do".to_owned()
        } else {
            counts.join(", ")
        }
    );
}
