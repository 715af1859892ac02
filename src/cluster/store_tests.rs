use super::*;

#[derive(Debug, PartialEq)]
struct Thing {
    version: u32,
    owner: Option<&'static str>,
}

fn thing(version: u32) -> Thing {
    Thing { version, owner: None }
}

fn apply(store: &Store<Thing>, namespace: &str, name: &str, new: Thing) -> Option<Delta<Thing>> {
    store.apply(namespace, name, new, |old, new| old.version == new.version)
}

fn unfit(name: &str) -> Undecodable {
    Undecodable {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        version: "1".to_owned(),
        error: "no spec".to_owned(),
    }
}

#[test]
fn a_change_reports_the_old_and_the_new_object() {
    let store = Store::new();
    assert!(matches!(apply(&store, "shop", "web", thing(1)), Some(Delta::Applied { old: None, .. })));
    assert!(apply(&store, "shop", "web", thing(1)).is_none(), "the same again is no change");
    let Some(Delta::Applied { old: Some(old), new }) = apply(&store, "shop", "web", thing(2)) else {
        panic!()
    };
    assert_eq!((old.version, new.version), (1, 2));
    assert_eq!(store.get("shop", "web").unwrap().version, 2);
    assert_eq!(store.all().len(), 1);
    assert!(matches!(store.remove("shop", "web"), Some(Delta::Gone { old }) if old.version == 2));
    assert!(store.remove("shop", "web").is_none());
    assert!(store.all().is_empty() && store.namespaces().is_empty());
}

#[test]
fn a_list_removes_objects_that_it_does_not_contain() {
    let store = Store::new();
    store.begin_list();
    apply(&store, "shop", "web", thing(1));
    apply(&store, "shop", "old", thing(1));
    assert!(!store.is_ready());
    assert!(matches!(store.end_list().as_slice(), [Delta::Listed]));
    assert!(store.is_ready());
    store.begin_list();
    apply(&store, "shop", "web", thing(1));
    let deltas = store.end_list();
    assert!(matches!(deltas.as_slice(), [Delta::Gone { .. }, Delta::Listed]), "{deltas:?}");
    assert!(store.get("shop", "web").is_some(), "unchanged objects stay");
    assert!(store.is_ready());
}

#[test]
fn an_undecodable_object_hides_its_older_version_and_is_not_absent() {
    let store = Store::new();
    apply(&store, "shop", "web", thing(1));
    assert!(matches!(store.apply_undecodable(unfit("web")), Some(Delta::Undecodable { .. })));
    assert!(store.apply_undecodable(unfit("web")).is_none(), "the same again is no change");
    assert!(store.get("shop", "web").is_none());
    assert_eq!(store.all_undecodable("shop"), [unfit("web")]);
    apply(&store, "shop", "web", thing(2));
    assert!(store.undecodable("shop", "web").is_none(), "fixed");
    store.apply_undecodable(unfit("other"));
    assert!(matches!(store.remove("shop", "other"), Some(Delta::UndecodableGone { .. })));
}

#[test]
fn namespaces_do_not_mix() {
    let store = Store::new();
    apply(&store, "a", "web", thing(1));
    apply(&store, "b", "web", thing(2));
    apply(&store, "b", "api", thing(3));
    let versions: Vec<u32> = store.list("b").iter().map(|thing| thing.version).collect();
    assert_eq!(versions, [3, 2], "by name");
    assert_eq!(store.list("c"), []);
    assert_eq!(store.namespaces(), ["a", "b"]);
}

#[test]
fn the_index_follows_every_change() {
    let store = Store::indexed(|thing: &Thing| thing.owner);
    let owned = |version, owner| Thing { version, owner: Some(owner) };
    apply(&store, "shop", "a", owned(1, "x"));
    apply(&store, "shop", "b", owned(1, "x"));
    apply(&store, "shop", "c", thing(1));
    apply(&store, "other", "a", owned(1, "x"));
    let count = |key| store.list_by("shop", key).len();
    assert_eq!((count("x"), store.list_by("other", "x").len(), store.list_by("none", "x").len()), (2, 1, 0));
    apply(&store, "shop", "a", owned(2, "y"));
    assert_eq!((count("x"), count("y")), (1, 1));
    store.remove("shop", "a");
    store.apply_undecodable(unfit("b"));
    assert_eq!((count("x"), count("y")), (0, 0));
}
