//! The handlers about versions: which there are, who serves what, back to an earlier one, and an upgrade tried beforehand.

use std::{path::Path, time::Duration};

use axum::{Json, body::Bytes, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Api, Failure,
    extract::{Body, Path as InPath, Query},
};
use crate::{
    quests::Quests as _,
    reload::Refusal,
    service::{Error, Kind},
};

type Answer = Result<Json<Value>, Failure>;

/// How long one instance's restore may take.
const RESTORE_WAIT: Duration = Duration::from_secs(30);

/// Versions of one quest, or of all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfQuest {
    quest: Option<String>,
}

/// A rollback.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rollback {
    /// The digest, or its beginning; none: the version before.
    to: Option<String>,
    /// Also where instances are left waiting.
    force: bool,
    /// Only say what it would do.
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    limit: Option<usize>,
    /// The file's name: what it ends with says what it is.
    file: Option<String>,
}

pub(super) async fn versions(State(api): State<Api>, Query(of): Query<OfQuest>) -> Answer {
    let (versions, rollouts) = api.reloader.versions().await.map_err(|error| Failure(error.into()))?;
    let rows = versions.into_iter().filter(|it| of.quest.as_ref().is_none_or(|quest| it.quests.contains_key(quest)));
    let rows: Vec<Value> = rows
        .map(|version| {
            let rollout = rollouts.get(&version.file);
            let is_served = rollout.and_then(|rollout| rollout.digest.as_ref()) == Some(&version.digest);
            let mut row = json!(version);
            row["rolled_out"] = json!(is_served);
            row["why"] = json!(rollout.filter(|_| is_served).map(|rollout| rollout.why));
            row
        })
        .collect();
    Ok(Json(json!({ "versions": rows })))
}

pub(super) async fn rollout(State(api): State<Api>) -> Answer {
    let failed = |error: crate::store::Error| Failure(error.into());
    let (_, rollouts) = api.reloader.versions().await.map_err(failed)?;
    let hosts = api.reloader.hosts().await.map_err(failed)?;
    let mut rows = Vec::new();
    for (host, serves) in &hosts {
        for (file, rollout) in &rollouts {
            let served = serves.modules.get(file);
            let problem = serves.problems.get(file);
            if rollout.digest.is_none() && served.is_none() && problem.is_none() {
                continue;
            }
            let is_same = served == rollout.digest.as_ref();
            rows.push(json!({
                "host": host, "file": file, "rolled_out": rollout.digest, "served": served, "same": is_same, "problem": problem,
            }));
        }
    }
    Ok(Json(json!({ "hosts": rows })))
}

pub(super) async fn roll_back(State(api): State<Api>, InPath(quest): InPath<String>, body: Body) -> Answer {
    let Rollback { to, force, dry_run } = body.json()?.unwrap_or_default();
    let target = api.reloader.version_before(&quest, to.as_deref()).await.map_err(refused)?;
    // A file's quests go back together.
    let (mut restorable, mut stranded, mut some) = (0, 0, Vec::new());
    for (name, version) in &target.quests {
        let affected = api.service.affected(name, *version).await.map_err(Failure)?;
        restorable += affected.restorable;
        stranded += affected.stranded;
        some.extend(affected.stranded_some);
    }
    let lost = json!({ "restorable": restorable, "stranded": stranded, "stranded_some": some });
    if stranded > 0 && !force && !dry_run {
        let message = format!(
            "{stranded} instances were written by newer code, and nothing is kept of them from before (such as {}): they would wait until newer \
             code is back",
            some.iter().take(3).map(|context| format!("{context:?}")).collect::<Vec<_>>().join(", ")
        );
        let error = Error::new(Kind::Conflict, "rollback-strands", message);
        return Err(Failure(error.hint("--force goes back all the same; --dry-run says what would be lost")));
    }
    if dry_run {
        return Ok(Json(json!({ "version": target, "affected": lost, "restored": null })));
    }
    let version = api.reloader.roll_back(&quest, Some(&target.digest)).await.map_err(refused)?;
    let mut restored = 0;
    for (name, version) in &version.quests {
        restored += api.service.restore(name, *version, RESTORE_WAIT).await.map_err(Failure)?;
    }
    Ok(Json(json!({ "version": version, "affected": lost, "restored": restored })))
}

/// Tries the `upgrade` of the version that is served, or of the module that the body is.
pub(super) async fn try_upgrade(
    State(api): State<Api>,
    InPath(quest): InPath<String>,
    Query(Trial { limit, file }): Query<Trial>,
    module: Bytes,
) -> Answer {
    let serving = match module.is_empty() {
        true => api.registry.serving(),
        false => {
            let registry = api.registry.clone();
            let tried = tokio::task::spawn_blocking(move || {
                registry.trial(Path::new(file.as_deref().unwrap_or("trial.wasm")), &module)
            })
            .await;
            let tried = tried.map_err(|error| Failure(Error::new(Kind::Failed, "host-bug", error.to_string())))?;
            tried.map_err(|error| {
                Failure(Error { code: error.code, ..Error::new(Kind::Failed, "", error.message) }.hint(&error.hint))
            })?
        }
    };
    let trial = api.service.try_upgrade(serving, &quest, limit.unwrap_or(usize::MAX)).await.map_err(Failure)?;
    Ok(Json(json!(trial)))
}

fn refused(refusal: Refusal) -> Failure {
    Failure(match refusal {
        Refusal::NotKept(message) => Error::new(Kind::NotFound, "no-such-version", message)
            .hint("`quest-host versions` lists those that the store has"),
        Refusal::NotServed(error) => {
            Error { code: error.code, ..Error::new(Kind::Failed, "", error.message) }.hint(&error.hint)
        }
        Refusal::Store(error) => error.into(),
    })
}
