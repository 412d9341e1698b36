use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node};
use kube::api::{Api, ObjectMeta, PostParams};
use serde_json::json;

use crate::access::{Identity, Pem, client_of};
use crate::processes::{Process, free_ports, run, write};
use crate::{Error, Result, programs};

/// How long a start may take on a loaded machine; on an idle one it is some ten seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// The controllers that objects of users depend on. Those of nodes, of certificates and of autoscaling are left out.
const CONTROLLERS: &[&str] = &[
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "replicaset-controller",
    "replicationcontroller-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "ttl-after-finished-controller",
    "validatingadmissionpolicy-status-controller",
];

/// A control plane on loopback, or another cluster in its place.
#[derive(Debug)]
pub struct Testbed {
    kubeconfig: String,
    kubeconfig_path: PathBuf,
    own: Option<Own>,
}

/// What belongs to a control plane that this process started.
#[derive(Debug)]
struct Own {
    program: PathBuf,
    identity: Identity,
    processes: Mutex<Processes>,
    users: AtomicU32,
    // Last, so that it is removed when the programs have ended.
    folder: tempfile::TempDir,
}

#[derive(Debug)]
struct Processes {
    etcd: Process,
    api_server: Process,
    others: Vec<Process>,
}

impl Processes {
    fn all(&mut self) -> impl Iterator<Item = &mut Process> {
        [&mut self.etcd, &mut self.api_server]
            .into_iter()
            .chain(&mut self.others)
    }

    fn check(&mut self) -> Result<()> {
        self.all().try_for_each(Process::check)
    }

    fn tails(&mut self) -> String {
        self.all().map(|process| process.tail()).collect()
    }
}

impl Testbed {
    /// Returns the control plane that the tests of this process share; the first call starts it.
    ///
    /// Nothing comes back where there is no Go to build it with; the reason is written to the standard error then, and
    /// the test that asked has nothing to do.
    ///
    /// # Panics
    /// Where the control plane does not build or start: that is a failure, not a reason to skip a test.
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Result<Testbed, Error>> = OnceLock::new();
        let shared = tokio::task::spawn_blocking(|| SHARED.get_or_init(Self::start_blocking)).await;
        Self::or_skip(shared.expect("starting does not panic").as_ref())
    }

    /// Starts a control plane of the test's own, for tests that disturb it; it ends when it is dropped.
    ///
    /// As [`Testbed::shared`] where there is no Go. With `KUBECONFIG_TESTBED` there is nothing that may be disturbed,
    /// and nothing comes back either.
    ///
    /// # Panics
    /// Where the control plane does not build or start.
    pub async fn start() -> Option<Self> {
        if elsewhere().is_some() {
            skip("it disturbs the cluster, and KUBECONFIG_TESTBED names one that is not ours");
            return None;
        }
        let started = tokio::task::spawn_blocking(Self::start_blocking)
            .await
            .expect("starting does not panic");
        Self::or_skip(started)
    }

    /// Starts another control plane with the keys of this one, whose users it knows: an API server that this one can
    /// hand requests on to, by an `APIService`.
    ///
    /// # Panics
    /// Where it does not start, and on the cluster of `KUBECONFIG_TESTBED`.
    pub async fn start_behind(&self) -> Self {
        let own = self
            .own("starting another one behind it")
            .unwrap_or_else(|error| panic!("{}", error.chain()));
        let (program, keys) = (own.program.clone(), own.folder.path().join("keys"));
        let started = tokio::task::spawn_blocking(move || Self::try_own(&program, Some(&keys)));
        let started = started.await.expect("starting does not panic");
        started.unwrap_or_else(|error| panic!("the testbed: {}", error.chain()))
    }

    fn or_skip<T, E: std::borrow::Borrow<Error>>(started: Result<T, E>) -> Option<T> {
        match started {
            Ok(testbed) => Some(testbed),
            Err(error) if matches!(error.borrow(), Error::NoGo) => {
                skip(&error.borrow().to_string());
                None
            }
            Err(error) => panic!("the testbed: {}", error.borrow().chain()),
        }
    }

    /// Starts a control plane, or opens the one of `KUBECONFIG_TESTBED`. It blocks until all of it is ready.
    ///
    /// # Errors
    /// Where there is no Go, where the programs do not build or start.
    pub fn start_blocking() -> Result<Self> {
        if let Some(path) = elsewhere() {
            let kubeconfig = fs::read_to_string(&path).map_err(Error::file("reading", &path))?;
            return Ok(Self {
                kubeconfig,
                kubeconfig_path: path,
                own: None,
            });
        }
        Self::try_own(&programs::controlplane()?, None)
    }

    fn try_own(program: &Path, keys: Option<&Path>) -> Result<Self> {
        // A port may be taken between finding it and listening on it.
        let mut attempts = 3;
        loop {
            attempts -= 1;
            match Self::start_own(program, keys) {
                Err(Error::Ended { log, .. })
                    if attempts > 0 && log.contains("address already in use") => {}
                started => return started,
            }
        }
    }

    /// Starts a control plane, with the keys of a folder or with its own.
    fn start_own(program: &Path, given: Option<&Path>) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("testbed-")
            .tempdir()
            .map_err(Error::file("making a folder in", std::env::temp_dir()))?;
        let home = folder.path().to_owned();
        let logs = match std::env::var_os("TESTBED_LOGS").filter(|folder| !folder.is_empty()) {
            // A folder for each control plane: its own, of a new name.
            Some(logs) => Path::new(&logs).join(home.file_name().unwrap_or_default()),
            None => home.join("logs"),
        };
        fs::create_dir_all(&logs).map_err(Error::file("creating", &logs))?;
        let keys = home.join("keys");
        fs::create_dir(&keys).map_err(Error::file("creating", &keys))?;
        match given {
            Some(given) => copy_files(given, &keys)?,
            None => run(program, "certificates", &["--folder", &text(&keys)])?,
        }

        let [etcd_port, peer_port, port] = free_ports();
        let server = format!("https://127.0.0.1:{port}");
        let identity = Identity {
            server,
            authority: read(&keys.join("ca.crt"))?,
            client: read_pem(&keys, "admin")?,
        };
        let kubeconfig = identity.kubeconfig();
        let kubeconfig_path = home.join("kubeconfig");
        write(&kubeconfig_path, &kubeconfig)?;
        let stages = home.join("stages.yaml");
        write(&stages, programs::STAGES)?;

        let new = |name, arguments| Process::new(name, program, &home, &logs, arguments);
        let etcd = new("etcd", etcd_arguments(&home, etcd_port, peer_port)).removing(&home);
        let api_server = new(
            "kube-apiserver",
            api_server_arguments(&keys, etcd_port, port),
        );
        let others = vec![
            new(
                "kube-controller-manager",
                controller_arguments(&keys, &kubeconfig_path),
            ),
            new("kube-scheduler", scheduler_arguments(&kubeconfig_path)),
            new("kwok", kwok_arguments(&kubeconfig_path, &stages)),
        ];
        let own = Own {
            program: program.to_owned(),
            identity,
            processes: Mutex::new(Processes {
                etcd,
                api_server,
                others,
            }),
            users: AtomicU32::new(0),
            folder,
        };
        let testbed = Self {
            kubeconfig,
            kubeconfig_path,
            own: Some(own),
        };
        testbed.bring_up()?;
        Ok(testbed)
    }

    /// Starts the programs in their order.
    fn bring_up(&self) -> Result<()> {
        let own = self.own("starting")?;
        {
            let mut processes = own.lock();
            processes.etcd.start()?;
            processes.api_server.start()?;
        }
        // Tests have runtimes of their own, which end with them.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::file("making a runtime for", &own.program))?;
        runtime.block_on(async {
            let client = self.client().await;
            self.ready(&client).await?;
            for process in &mut own.lock().others {
                process.start()?;
            }
            self.furnish(&client).await
        })
    }

    /// Waits until the API server says that it is ready.
    async fn ready(&self, client: &kube::Client) -> Result<()> {
        self.wait("a ready API server", || async {
            let request = http::Request::get("/readyz")
                .body(Vec::new())
                .expect("the path is a path");
            client
                .request_text(request)
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await
    }

    /// Makes what pods and claims need, and waits for the programs that act on objects.
    async fn furnish(&self, client: &kube::Client) -> Result<()> {
        for (path, object) in furniture() {
            self.wait("the objects that every cluster has", || async {
                match post(client, path, &object).await {
                    Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
                    other => other.map_err(|error| error.to_string()),
                }
            })
            .await?;
        }
        let nodes: Api<Node> = Api::all(client.clone());
        self.wait("a ready node", || async {
            let node = nodes
                .get("node-1")
                .await
                .map_err(|error| error.to_string())?;
            let conditions = node
                .status
                .and_then(|status| status.conditions)
                .unwrap_or_default();
            let ready = conditions
                .iter()
                .any(|condition| condition.type_ == "Ready" && condition.status == "True");
            if ready {
                Ok(())
            } else {
                Err("the node is not ready".to_owned())
            }
        })
        .await?;
        // The controller manager has started its controllers when one of them has left its mark.
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
        self.wait("running controllers", || async {
            maps.get("kube-root-ca.crt")
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await
    }

    async fn wait<F: Future<Output = Result<(), String>>>(
        &self,
        what: &'static str,
        mut check: impl FnMut() -> F,
    ) -> Result<()> {
        let own = self.own("waiting")?;
        let start = Instant::now();
        loop {
            own.lock().check()?;
            let seen = match check().await {
                Ok(()) => return Ok(()),
                Err(seen) => seen,
            };
            if start.elapsed() > PATIENCE {
                let log = own.lock().tails();
                return Err(Error::Late {
                    what,
                    seconds: PATIENCE.as_secs(),
                    last: seen,
                    log,
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn own(&self, action: &'static str) -> Result<&Own> {
        self.own.as_ref().ok_or(Error::NotOurs { action })
    }

    /// Returns a client of the runtime that this is called in, with all rights.
    ///
    /// # Panics
    /// Where the kubeconfig of `KUBECONFIG_TESTBED` cannot be used.
    pub async fn client(&self) -> kube::Client {
        client_of(&self.kubeconfig, None)
            .await
            .unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// Returns the kubeconfig of the administrator; it needs no other file.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// Returns the file with that kubeconfig.
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig_path
    }

    /// Returns the administrator's identity: address, authority and client certificate.
    ///
    /// # Errors
    /// On the cluster of `KUBECONFIG_TESTBED`.
    pub fn admin(&self) -> Result<&Identity> {
        Ok(&self.own("handing out keys")?.identity)
    }

    /// Makes a user with a client certificate. RBAC gives it nothing until a role is bound to it or to a group of its.
    ///
    /// # Errors
    /// On the cluster of `KUBECONFIG_TESTBED`.
    pub fn user(&self, name: &str, groups: &[&str]) -> Result<Identity> {
        let own = self.own("making a user")?;
        let keys = own.folder.path().join("keys");
        let file = format!("user-{}", own.users.fetch_add(1, Ordering::Relaxed));
        let folder = text(&keys);
        let groups = groups.join(",");
        run(
            &own.program,
            "certificates",
            &[
                "--folder", &folder, "--user", name, "--groups", &groups, "--file", &file,
            ],
        )?;
        Ok(Identity {
            client: read_pem(&keys, &file)?,
            ..own.identity.clone()
        })
    }

    /// Returns a client that acts as a user, by impersonation where the cluster is not ours.
    ///
    /// # Panics
    /// Where the client certificate cannot be made.
    pub async fn client_as(&self, user: &str, groups: &[&str]) -> kube::Client {
        let client = match self.own {
            Some(_) => match self.user(user, groups) {
                Ok(identity) => identity.client().await,
                Err(error) => Err(error),
            },
            None => client_of(&self.kubeconfig, Some((user, groups))).await,
        };
        client.unwrap_or_else(|error| panic!("{}", error.chain()))
    }

    /// Makes a namespace of a new name that begins with the prefix, and returns its name.
    ///
    /// # Panics
    /// Where the API server refuses it.
    pub async fn namespace(&self, prefix: &str) -> String {
        let namespace = Namespace {
            metadata: ObjectMeta {
                generate_name: Some(format!("{prefix}-")),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let namespaces: Api<Namespace> = Api::all(self.client().await);
        let made = namespaces.create(&PostParams::default(), &namespace).await;
        let made = made.unwrap_or_else(|error| panic!("creating a namespace {prefix}-…: {error}"));
        made.metadata
            .name
            .expect("the API server names what it creates")
    }

    /// Kills the API server: connections break, new ones are refused.
    ///
    /// # Errors
    /// On the cluster of `KUBECONFIG_TESTBED`.
    pub fn kill_api_server(&self) -> Result<()> {
        self.own("killing the API server")?.lock().api_server.stop();
        Ok(())
    }

    /// Starts the API server again, on the same port and with the same data, and waits until it is ready. The programs
    /// that depend on it start anew: they would come back by themselves, but take up to half a minute for it.
    ///
    /// # Errors
    /// On the cluster of `KUBECONFIG_TESTBED`; where it does not start.
    pub async fn start_api_server(&self) -> Result<()> {
        let own = self.own("starting the API server")?;
        {
            let mut processes = own.lock();
            if processes.api_server.is_running() {
                return Ok(());
            }
            processes.others.iter_mut().for_each(Process::stop);
            processes.api_server.start()?;
        }
        self.ready(&self.client().await).await?;
        own.lock().others.iter_mut().try_for_each(Process::start)
    }

    /// Returns the process id of the API server, while it runs and is ours.
    pub fn api_server_id(&self) -> Option<u32> {
        self.own.as_ref()?.lock().api_server.id()
    }

    /// Kills the API server and starts it again.
    ///
    /// # Errors
    /// As [`Testbed::start_api_server`].
    pub async fn restart_api_server(&self) -> Result<()> {
        self.kill_api_server()?;
        self.start_api_server().await
    }

    /// Stops the API server where it is: connections stay open and nothing comes back on them.
    ///
    /// # Errors
    /// On the cluster of `KUBECONFIG_TESTBED`.
    pub fn pause_api_server(&self) -> Result<()> {
        self.own("pausing the API server")?
            .lock()
            .api_server
            .signal("STOP")
    }

    /// Lets a paused API server go on.
    ///
    /// # Errors
    /// On the cluster of `KUBECONFIG_TESTBED`.
    pub fn resume_api_server(&self) -> Result<()> {
        self.own("resuming the API server")?
            .lock()
            .api_server
            .signal("CONT")
    }
}

impl Own {
    fn lock(&self) -> MutexGuard<'_, Processes> {
        // A test that panicked with the lock has left processes that can still be stopped.
        self.processes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn elsewhere() -> Option<PathBuf> {
    std::env::var_os("KUBECONFIG_TESTBED")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

fn skip(reason: &str) {
    use std::io::Write as _;
    let thread = std::thread::current();
    // Not by `eprintln!`, which the test harness keeps to itself when a test passes.
    let _ = writeln!(
        std::io::stderr(),
        "{}: skipped: {reason}",
        thread.name().unwrap_or("a test")
    );
}

fn etcd_arguments(home: &Path, port: u16, peer_port: u16) -> Vec<String> {
    let client = format!("http://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{peer_port}");
    vec![
        format!("--data-dir={}", text(&home.join("etcd"))),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn api_server_arguments(keys: &Path, etcd_port: u16, port: u16) -> Vec<String> {
    let key = |name: &str| text(&keys.join(name));
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
        format!("--cert-dir={}", text(keys)),
        format!("--tls-cert-file={}", key("apiserver.crt")),
        format!("--tls-private-key-file={}", key("apiserver.key")),
        format!("--client-ca-file={}", key("ca.crt")),
        "--authorization-mode=RBAC".to_owned(),
        // Without kubelets and a node controller, pods need no token, and nothing would take the taint from a new node.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", key("service-account.pub")),
        format!(
            "--service-account-signing-key-file={}",
            key("service-account.key")
        ),
        format!("--requestheader-client-ca-file={}", key("ca.crt")),
        "--requestheader-allowed-names=front-proxy".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--proxy-client-cert-file={}", key("front-proxy.crt")),
        format!("--proxy-client-key-file={}", key("front-proxy.key")),
        "--profiling=false".to_owned(),
    ]
}

fn controller_arguments(keys: &Path, kubeconfig: &Path) -> Vec<String> {
    let key = |name: &str| text(&keys.join(name));
    vec![
        format!("--kubeconfig={}", text(kubeconfig)),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        format!("--root-ca-file={}", key("ca.crt")),
        format!(
            "--service-account-private-key-file={}",
            key("service-account.key")
        ),
        format!("--controllers={}", CONTROLLERS.join(",")),
        // Nobody else is to be spared.
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

fn scheduler_arguments(kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", text(kubeconfig)),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

fn kwok_arguments(kubeconfig: &Path, stages: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", text(kubeconfig)),
        format!("--config={}", text(stages)),
        "--manage-all-nodes=true".to_owned(),
        "--node-lease-duration-seconds=0".to_owned(),
    ]
}

/// A node to run pods on, and the classes that claims ask for.
fn furniture() -> [(&'static str, serde_json::Value); 3] {
    let class = |name: &str, default: &str, mode: &str| {
        json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": default}},
            "provisioner": "testbed/provisioner",
            "volumeBindingMode": mode,
        })
    };
    let classes = "/apis/storage.k8s.io/v1/storageclasses";
    [
        (classes, class("standard", "true", "Immediate")),
        (classes, class("delayed", "false", "WaitForFirstConsumer")),
        (
            "/api/v1/nodes",
            json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": "node-1", "labels": {
                    "kubernetes.io/hostname": "node-1",
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                }},
                "spec": {"podCIDR": "10.244.0.0/16", "podCIDRs": ["10.244.0.0/16"]},
            }),
        ),
    ]
}

async fn post(
    client: &kube::Client,
    path: &str,
    object: &serde_json::Value,
) -> Result<(), kube::Error> {
    let request = http::Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(object.to_string().into_bytes())
        .expect("the path is a path");
    client.request_text(request).await.map(drop)
}

fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).map_err(Error::file("reading", from))? {
        let path = entry.map_err(Error::file("reading", from))?.path();
        let name = path.file_name().unwrap_or_default();
        fs::copy(&path, to.join(name)).map_err(Error::file("copying", &path))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::file("reading", path))
}

fn read_pem(folder: &Path, name: &str) -> Result<Pem> {
    Ok(Pem {
        certificate: read(&folder.join(format!("{name}.crt")))?,
        key: read(&folder.join(format!("{name}.key")))?,
    })
}

/// Folders that we made have names in UTF-8; a temporary folder that has not would show up in the first message.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
