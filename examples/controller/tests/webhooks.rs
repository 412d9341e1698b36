//! Webhooks, signed as each host documents it.

use std::time::Duration;

use gitops::Clock;
use gitops::application::{Application, ApplicationSource};
use gitops::manifest::Object;
use gitops_controller::webhook::{WebhookSecrets, changes_concern, read, same_repository};
use gitops_controller::{Controller, ControllerOptions};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{REPO, World, config};

/// Signs as GitHub, Gitea and Bitbucket document: HMAC with SHA-256 in hexadecimal digits.
fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn github(reference: &str, files: &[&str]) -> Value {
    json!({
        "ref": reference,
        "repository": {
            "html_url": "https://git.example.com/Shop", "clone_url": "https://git.example.com/Shop.git",
            "ssh_url": "git@git.example.com:Shop.git", "default_branch": "main",
        },
        "commits": [{"added": [], "modified": files, "removed": []}],
    })
}

#[test]
fn signatures_are_those_that_the_hosts_document() {
    // The example of GitHub's documentation on validating deliveries.
    let body = b"Hello, World!";
    let documented = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(sign("It's a Secret to Everybody", body), documented);
    let secrets =
        WebhookSecrets::from_entries([("webhook.github.secret", "It's a Secret to Everybody")]);
    let value = format!("sha256={documented}");
    let header = |name: &str| match name {
        "x-github-event" => Some("ping"),
        "x-hub-signature-256" => Some(&*value),
        _ => None,
    };
    assert_eq!(read(header, body, &secrets), Ok(None));
    assert!(read(header, b"Hello, World?", &secrets).is_err());
}

#[test]
fn each_host_is_understood_and_its_secret_asked_for() {
    let secrets = WebhookSecrets::from_entries([
        ("webhook.github.secret", "hub"),
        ("webhook.gitlab.secret", "lab"),
        ("webhook.gogs.secret", "gogs"),
        ("webhook.bitbucket.uuid", "{1234}"),
        ("webhook.bitbucketserver.secret", "server"),
    ]);
    let gitlab = json!({
        "ref": "refs/heads/main", "total_commits_count": 1,
        "project": {"web_url": "https://git.example.com/shop", "git_http_url": REPO, "default_branch": "main"},
        "commits": [{"added": ["a"], "modified": [], "removed": []}],
    });
    let bitbucket = json!({
        "repository": {"links": {"html": {"href": "https://git.example.com/shop"}}},
        "push": {"changes": [{"new": {"type": "branch", "name": "main"}, "old": {"name": "main"}}]},
    });
    let server = json!({
        "repository": {"links": {"clone": [{"href": REPO, "name": "http"}]}},
        "changes": [{"ref": {"id": "refs/heads/main", "displayId": "main"}}],
    });
    type Headers<'a> = Vec<(&'a str, String)>;
    let text = |value: &Value| value.to_string().into_bytes();
    let (hub, lab, bucket, srv) = (
        text(&github("refs/heads/main", &["a"])),
        text(&gitlab),
        text(&bitbucket),
        text(&server),
    );
    let cases: Vec<(&str, &[u8], Headers<'_>, &str)> = vec![
        (
            "github",
            &hub,
            vec![
                ("x-github-event", "push".into()),
                (
                    "x-hub-signature-256",
                    format!("sha256={}", sign("hub", &hub)),
                ),
            ],
            "x-hub-signature-256",
        ),
        (
            // Gitea sends the headers of GitHub as well.
            "gitea",
            &hub,
            vec![
                ("x-gitea-event", "push".into()),
                ("x-gogs-event", "push".into()),
                ("x-github-event", "push".into()),
                ("x-gitea-signature", sign("gogs", &hub)),
            ],
            "x-gitea-signature",
        ),
        (
            "gogs",
            &hub,
            vec![
                ("x-gogs-event", "push".into()),
                ("x-gogs-signature", sign("gogs", &hub)),
            ],
            "x-gogs-signature",
        ),
        (
            "gitlab",
            &lab,
            vec![
                ("x-gitlab-event", "Push Hook".into()),
                ("x-gitlab-token", "lab".into()),
            ],
            "x-gitlab-token",
        ),
        (
            "bitbucket",
            &bucket,
            vec![
                ("x-event-key", "repo:push".into()),
                ("x-hook-uuid", "{1234}".into()),
            ],
            "x-hook-uuid",
        ),
        (
            "bitbucket server",
            &srv,
            vec![
                ("x-event-key", "repo:refs_changed".into()),
                (
                    "x-hub-signature",
                    format!("sha256={}", sign("server", &srv)),
                ),
            ],
            "x-hub-signature",
        ),
    ];
    for (host, body, headers, signed_by) in cases {
        let ask = |headers: &Headers<'_>, body: &[u8]| {
            read(
                |name| {
                    headers
                        .iter()
                        .find(|(have, _)| *have == name)
                        .map(|(_, value)| &**value)
                },
                body,
                &secrets,
            )
        };
        let push = ask(&headers, body)
            .unwrap()
            .unwrap_or_else(|| panic!("{host}: a push"));
        assert!(
            push.repos.iter().any(|url| same_repository(url, REPO)),
            "{host}: {push:?}"
        );
        assert!(
            push.moves("main") && push.moves("refs/heads/main") && push.moves("HEAD"),
            "{host}"
        );
        assert!(!push.moves("dev"), "{host}");
        let mut wrong = headers.clone();
        for (name, value) in &mut wrong {
            if *name == signed_by {
                // Another last digit, of the same length.
                let last = value.pop().unwrap();
                value.push(if last == '0' { '1' } else { '0' });
            }
        }
        assert!(ask(&wrong, body).is_err(), "{host}: a wrong secret");
        let without: Headers<'_> = headers
            .iter()
            .filter(|(name, _)| *name != signed_by)
            .cloned()
            .collect();
        assert!(
            !matches!(ask(&without, body), Ok(Some(_))),
            "{host}: no secret"
        );
    }
}

#[test]
fn addresses_of_one_repository_are_the_same_in_every_form() {
    let same = [
        "https://git.example.com/team/shop.git",
        "https://git.example.com/team/shop",
        "HTTPS://Git.Example.com/Team/Shop/",
        "http://user:secret@git.example.com:8443/team/shop.git",
        "ssh://git@git.example.com:22/team/shop",
        "ssh://git.example.com/team/shop.git",
        "git@git.example.com:team/shop.git",
        "git.example.com:team/shop",
        "git://git.example.com/team/shop",
    ];
    for one in same {
        for other in same {
            assert!(same_repository(one, other), "{one} {other}");
        }
        for other in [
            "https://git.example.com/team/shop2",
            "https://git.example.com/team",
            "https://git.example.org/team/shop",
            "https://evil.example.com/git.example.com/team/shop",
            "",
        ] {
            assert!(!same_repository(one, other), "{one} {other}");
        }
    }
    assert!(same_repository(
        "file:///srv/git/shop.git",
        "/srv/git/shop.git"
    ));
    assert!(!same_repository("", ""));
}

#[test]
fn paths_of_an_application_decide_which_files_concern_it() {
    let application = |paths: &str| {
        let source = ApplicationSource::git(REPO, "apps/web", "main");
        let mut object: Object = Application::new("web", source, "shop").to_object();
        object.set_annotation("argocd.argoproj.io/manifest-generate-paths", paths);
        Application::from_object(&object).unwrap()
    };
    for (paths, file, concerned) in [
        (".", "apps/web/a.yaml", true),
        (".", "apps/webshop/a.yaml", false),
        (".", "apps/web", true),
        (".;../shared", "apps/shared/x", true),
        ("/base", "base/x/y", true),
        ("/base", "database/x", false),
        ("/apps/*/values.yaml", "apps/api/values.yaml", true),
        ("/apps/*/values.yaml", "apps/api/other.yaml", false),
        ("", "anything", true),
    ] {
        let application = application(paths);
        let source = &application.spec.sources()[0];
        assert_eq!(
            changes_concern(&application, source, &[file.to_owned()]),
            concerned,
            "{paths} {file}"
        );
        assert!(
            changes_concern(&application, source, &[]),
            "nothing is known of the files"
        );
    }
}

async fn send(controller: &Controller, secret: &str, payload: &Value) -> u16 {
    let body = payload.to_string().into_bytes();
    let signature = format!("sha256={}", sign(secret, &body));
    let header = |name: &str| match name {
        "x-github-event" => Some("push"),
        "x-hub-signature-256" => Some(&*signature),
        _ => None,
    };
    controller.webhook(header, &body).await.code
}

#[test]
fn a_push_is_rolled_out_at_once_and_only_where_it_concerns() {
    let world = World::new(&["a", "b"]);
    let w = world.clone();
    let mut options = ControllerOptions::default();
    options.engine.poll = Duration::from_secs(86_400);
    world.clock.run(async {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": "argocd-secret", "namespace": "argocd"},
            // "hub", in base64.
            "data": {"webhook.github.secret": "aHVi"},
        });
        w.create(&Object::try_from(secret).unwrap()).await;
    });
    let w = world.clone();
    world.play(options, |controller| async move {
        for name in ["a", "b"] {
            w.application(name, true).await;
            w.edit(name, |object| {
                object.set_annotation("argocd.argoproj.io/manifest-generate-paths", ".");
            });
        }
        w.until("synced", || w.is_good("a") && w.is_good("b")).await;
        w.clock.sleep(Duration::from_secs(600)).await;
        let before = w.text("b", &["status", "sync", "revision"]);
        w.source.edit(
            REPO,
            "main",
            [("a/config.yaml", Some(&*config("a", "two")))],
        );
        let payload = github("refs/heads/main", &["a/config.yaml"]);
        assert_eq!(send(&controller, "wrong", &payload).await, 401);
        w.clock.sleep(Duration::from_secs(600)).await;
        assert_eq!(
            w.value("a").as_deref(),
            Some("one"),
            "whoever does not know the secret is not heard"
        );
        assert_eq!(
            send(&controller, "hub", &github("refs/heads/dev", &[])).await,
            200
        );
        w.clock.sleep(Duration::from_secs(600)).await;
        assert_eq!(w.value("a").as_deref(), Some("one"), "another branch");
        let sent = w.clock.now();
        assert_eq!(send(&controller, "hub", &payload).await, 200);
        w.until("rolled out", || w.value("a").as_deref() == Some("two"))
            .await;
        assert!(w.clock.now().since(sent) < Duration::from_secs(1));
        w.until("told", || {
            w.is_good("a") && w.text("a", &["status", "sync", "revision"]) != before
        })
        .await;
        assert!(
            controller
                .metrics()
                .contains("argocd_webhook_requests_total{repo=")
        );
    });
}
