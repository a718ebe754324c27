//! The embedded store's folder: one process, one format, nothing lost.

use std::{path::Path, sync::Arc};

use quest_host::store::{AcceptBounds, Acceptance, Commit, Committed, Durability, Error, Full, Open, Store, open};

use super::{WIDE, entry, set};

fn settings(folder: &Path) -> Open {
    Open { data: folder.into(), partitions: 8, ..Open::default() }
}

#[tokio::test]
async fn a_second_opening_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(&settings(folder.path())).await.unwrap();
    let Err(Error::Unusable(text)) = open(&settings(folder.path())).await else { panic!("not refused") };
    assert!(text.contains(&folder.path().display().to_string()), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
}

#[tokio::test]
async fn reopening_keeps_all_but_leases() {
    for durability in [Durability::Always, Durability::Everysec] {
        let folder = tempfile::tempdir().unwrap();
        let settings = Open { durability, ..settings(folder.path()) };
        let store = open(&settings).await.unwrap();
        let id = store.check().await.unwrap().store_id;
        store.accept(1, vec![entry("a", Some("x"), "1"), entry("a", None, "2")], WIDE).await.unwrap();
        let grant = store.acquire(1, 1, 600_000).await.unwrap().unwrap();
        let commit = Commit { id: "c1".to_owned(), consumed: 1, writes: vec![set("h", "f", "v")], ..Commit::default() };
        assert_eq!(store.commit(1, grant.token, commit).await.unwrap(), Committed::Applied);
        drop(store);
        let store = open(&settings).await.unwrap();
        assert_eq!(store.check().await.unwrap().store_id, id);
        let again = store.acquire(1, 2, 600_000).await.unwrap().unwrap();
        assert_eq!((again.head.as_str(), again.consumed, again.token.epoch), ("c1", 1, grant.token.epoch + 1));
        assert_eq!(store.take(1, again.token, 1, 9, None).await.unwrap().unwrap().entries.len(), 1);
    }
}

/// How many of a context's entries wait, by what would be let in.
async fn assert_waiting(store: &Arc<dyn Store>, count: u64) {
    for (context_max, refused) in [(count, Full::Context), (count + 1, Full::Ids)] {
        let bounds = AcceptBounds { context_max, ids_max: 0, ..WIDE };
        let answer = store.accept(1, vec![entry("a", Some("id"), "x")], bounds).await.unwrap();
        assert_eq!(answer, [Acceptance::Full(refused)], "{count} wait, {context_max} may");
    }
}

#[tokio::test]
async fn what_waits_is_counted_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let mut store = open(&settings).await.unwrap();
    store.accept(1, (0..5).map(|n| entry("a", None, &n.to_string())).collect(), WIDE).await.unwrap();
    let mut previous = String::new();
    // Consumed and settled at once, or consumed into a backlog and settled later.
    for (consumed, settled, waiting) in [(0, 0, 5), (3, 1, 4), (5, 0, 4), (5, 3, 1), (5, 1, 0)] {
        let grant = store.acquire(1, 1, 600_000).await.unwrap().unwrap();
        let (id, settled) = (format!("{consumed}-{waiting}"), vec![("a".to_owned(), settled)]);
        let commit = Commit { id: id.clone(), previous, consumed, settled, ..Commit::default() };
        assert_eq!(store.commit(1, grant.token, commit).await.unwrap(), Committed::Applied);
        previous = id;
        assert_waiting(&store, waiting).await;
        drop(store);
        store = open(&settings).await.unwrap();
        assert_waiting(&store, waiting).await;
    }
}

#[tokio::test]
async fn other_partitions_and_other_formats_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&settings(folder.path())).await.unwrap());
    let Err(Error::Unusable(text)) = open(&Open { partitions: 9, ..settings(folder.path()) }).await else {
        panic!("not refused")
    };
    assert!(text.contains("partitions = 8"), "{text}");
    for (format, hint) in ["1", "3"].into_iter().zip(["another folder", "use the newer quest-host"]) {
        std::fs::write(folder.path().join("format"), format).unwrap();
        let Err(Error::Unusable(text)) = open(&settings(folder.path())).await else { panic!("not refused") };
        assert!(text.contains(&format!("format {format}")) && text.contains(hint), "{text}");
    }
}
