//! The embedding example of the README: a plan for one application, printed and carried out.
#![allow(clippy::print_stdout)]

use std::{error::Error, sync::Arc, time::Duration};

use gitops::application::{Application, ApplicationSource};
use gitops::memory::{MemorySource, MemoryStore, MemoryTarget, SimClock};
use gitops::{Engine, KustomizeRenderer, SyncRequest};

fn main() -> Result<(), Box<dyn Error>> {
    let (clock, source) = (SimClock::new(), MemorySource::new());
    let repo = "https://git.example.com/shop.git";
    source.commit(
        repo,
        "main",
        [
            ("web/kustomization.yaml", "resources: [web.yaml]\n"),
            (
                "web/web.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {level: info}\n",
            ),
        ],
    );
    let engine = Engine::builder(
        source,
        MemoryTarget::new(Arc::new(clock.clone())),
        MemoryStore::new(),
    )
    .clock(clock.clone())
    .renderer(KustomizeRenderer::default())
    .build();
    let web = Application::new(
        "web",
        ApplicationSource::git(repo, "web", "main"),
        "default",
    );
    clock.run(async {
        let web = engine.set_application(web);
        let plan = engine.plan(&web, &SyncRequest::by("me")).await?;
        for (phase, wave, step) in plan.steps() {
            println!("{phase} {wave} {} {}", step.action, step.key);
        }
        engine.apply_plan(&plan).await?;
        engine.settle(Duration::from_secs(60)).await?;
        println!("{}", engine.status(&web).unwrap_or_default().sync.status);
        Ok(())
    })
}
