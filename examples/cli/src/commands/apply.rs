use std::fs;

use gitops::application::{Application, ApplicationSource};
use gitops::{PLAN_FORMAT, Plan};

use crate::Outcome;
use crate::args::Apply;
use crate::output::Paint;
use crate::session::Session;

pub(crate) fn run(args: &Apply, paint: Paint) -> Outcome {
    let shown = args.plan.display();
    let text = fs::read(&args.plan).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let plan: Plan =
        serde_json::from_slice(&text).map_err(|error| format!("{shown} is no plan: {error}"))?;
    if plan.format != PLAN_FORMAT {
        return Err(format!(
            "{shown} is a plan of form {}, this program reads {PLAN_FORMAT}; make it anew",
            plan.format
        )
        .into());
    }
    let session = Session::open(&args.state, Some(paint))?;
    let source = plan
        .sources
        .first()
        .cloned()
        .unwrap_or_else(|| ApplicationSource::git("", "", ""));
    let application = Application::new(
        plan.application.name.clone(),
        source,
        plan.settings.namespace.as_str(),
    );
    let id = session.engine.set_application(application);
    session.clock.run(async {
        session.engine.apply_plan(&plan).await?;
        session.settle(&id).await
    })?;
    session.save()?;
    Ok(session.verdict(&id, paint))
}
