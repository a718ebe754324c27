//! A running host: store, quests, dispatcher, API, put together and taken apart in order.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use quest_engine::schedule::Zone;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{self, Access, Api},
    dispatcher::{Dispatcher, Options},
    ingress::Mover,
    quests::Quests,
    reload::{Reloader, Sources, Vault},
    service::Service,
    settings::Settings,
    store::{self, Open, Report, Store, redis::Redis},
    wasm::{Loaded, Problem, Registry, Runtime},
};

/// How long clients' connections may take to end when the host stops.
const CLIENTS_GRACE: Duration = Duration::from_secs(2);

/// A host that serves.
pub struct Host {
    /// What it is asked.
    pub service: Service,
    /// What it serves.
    pub registry: Arc<Registry>,
    /// What keeps that as the files are.
    pub reloader: Reloader,
    /// What was loaded at the start.
    pub loaded: Vec<Loaded>,
    /// What could not be.
    pub problems: Vec<Problem>,
    /// The store, and what it promises.
    pub report: Report,
    /// Where the API listens.
    pub address: SocketAddr,
    dispatcher: Dispatcher,
    background: tokio::task::JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
}

/// Opens the store that the settings name; beside it, Redis as itself, for what only Redis has.
pub async fn open_store(settings: &Settings) -> anyhow::Result<(Arc<dyn Store>, Option<Arc<Redis>>)> {
    let url = (!settings.store.is_empty()).then(|| settings.store.clone());
    let open = Open {
        url,
        data: settings.data.clone(),
        durability: settings.durability,
        prefix: settings.prefix.clone(),
        partitions: settings.partitions,
        ids_window_ms: settings.accept.ids_window_ms,
    };
    if open.url.is_none() {
        return Ok((store::open(&open).await.context("cannot open the store")?, None));
    }
    let redis = Arc::new(Redis::open(&open).await.context("cannot open the store")?);
    Ok((Arc::clone(&redis) as Arc<dyn Store>, Some(redis)))
}

/// A registry that serves nothing yet.
pub fn registry(settings: &Settings) -> anyhow::Result<Arc<Registry>> {
    let runtime = Runtime::new(settings.runtime())?;
    if let Some(why) = runtime.fallback() {
        tracing::warn!(why, "quests run slower than they could");
    }
    Ok(Arc::new(Registry::new(Arc::new(runtime))))
}

impl Host {
    /// Starts to serve these modules.
    pub async fn start(settings: &Settings, files: &[PathBuf]) -> anyhow::Result<Self> {
        Self::start_from(settings, &Sources { files: files.to_vec(), ..Sources::default() }).await
    }

    /// Starts to serve.
    pub async fn start_from(settings: &Settings, sources: &Sources) -> anyhow::Result<Self> {
        let address: SocketAddr = settings.listen.parse()?;
        let listener = tokio::net::TcpListener::bind(address).await.with_context(|| {
            let hint = "is another quest-host running? `--listen 127.0.0.1:0` takes a free port";
            format!("cannot listen on {address}; hint: {hint}")
        })?;
        let address = listener.local_addr()?;
        let (store, redis) = open_store(settings).await?;
        let report = store.check().await?;
        let registry = registry(settings)?;
        let id = format!("{:08x}{:08x}", std::process::id(), fastrand::u32(..));
        let vault = Vault::new(Arc::clone(&store), id.clone(), settings.versions_kept);
        let bytes_max = settings.wasm.module_bytes_max;
        let reloader = Reloader::new(Arc::clone(&registry), sources, bytes_max, Some(vault));
        let (loaded, problems) = reloader.begin().await?;
        let config: crate::dispatcher::QuestConfig =
            settings.config.iter().map(|(quest, values)| (quest.clone(), Arc::new(values.clone()))).collect();
        let quests: Arc<dyn Quests> = Arc::clone(&registry) as Arc<dyn Quests>;
        let accept = settings.accept.bounds();
        let stop = CancellationToken::new();
        let service = Service::new(
            Arc::clone(&store),
            Arc::clone(&quests),
            id.clone(),
            report.partitions,
            settings.accept.clone(),
            config.clone(),
            stop.clone(),
        )
        .in_zone(Zone::parse(&settings.engine.default_zone)?);
        let options = Options {
            host: id,
            partitions: report.partitions,
            limits: Arc::new(settings.engine.clone()),
            accept,
            pace: settings.pace.clone(),
            config,
            runs_in_place: false,
        };
        let told = service.clone();
        let on_committed = Arc::new(move |partition, news| told.committed(partition, news));
        let dispatcher = Dispatcher::start(Arc::clone(&store), quests, options, on_committed);
        let mut background = tokio::task::JoinSet::new();
        let listener_of_bells = service.clone();
        background.spawn(async move {
            listener_of_bells.listen().await;
            Ok(())
        });
        if settings.reload {
            let (reloader, stopped) = (reloader.clone(), stop.clone());
            background.spawn(async move {
                reloader.run(stopped).await;
                Ok(())
            });
        }
        let rejected = Arc::new(AtomicU64::new(0));
        let api = Api {
            service: service.clone(),
            registry: Arc::clone(&registry),
            reloader: reloader.clone(),
            store: Arc::new(json!({ "name": report.name, "promise": report.promise, "warnings": report.warnings })),
            access: Arc::new(Access {
                token: (!settings.token.is_empty()).then(|| settings.token.clone()),
                loopback: address.ip().is_loopback(),
            }),
            status: dispatcher.status(),
            rejected: Arc::clone(&rejected),
            started: Instant::now(),
            stop: stop.clone(),
        };
        let stopped = stop.clone();
        background.spawn(async move { api::serve(listener, api, stopped).await.context("the HTTP API ended") });
        if let Some(store) = redis.filter(|_| !settings.ingress.is_empty()) {
            let mover = Mover {
                store,
                list: settings.ingress.clone(),
                partitions: report.partitions,
                accept: settings.accept.clone(),
                lease_ms: settings.pace.lease_ms,
                rejected,
            };
            let stopped = stop.clone();
            background.spawn(async move {
                mover.run(stopped).await;
                Ok(())
            });
        }
        Ok(Self { service, registry, reloader, loaded, problems, report, address, dispatcher, background, stop })
    }

    /// What is served to the dispatcher's counts.
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    /// Waits until something ends that should not.
    pub async fn failed(&mut self) -> anyhow::Error {
        // Cancel-safe: a join handle and a join set.
        let ended = tokio::select! {
            () = self.dispatcher.ended() => return anyhow!("the dispatcher ended by itself, which is a bug; see the log"),
            ended = self.background.join_next() => ended,
        };
        match ended {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => anyhow!(error).context("a task of the host panicked"),
            Some(Ok(Ok(()))) | None => anyhow!("a task of the host ended by itself"),
        }
    }

    /// Finishes what runs, commits it, gives the partitions up, ends.
    pub async fn drain(mut self) {
        self.dispatcher.drain().await;
        self.stop.cancel();
        let ended = async { while self.background.join_next().await.is_some() {} };
        if tokio::time::timeout(CLIENTS_GRACE, ended).await.is_err() {
            // Everything is committed: a client that sent half a request, or reads no answer, holds nobody up.
            tracing::debug!("some clients' connections are closed unfinished");
            self.background.shutdown().await;
        }
    }
}
