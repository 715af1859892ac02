//! A Secret that is not there when the release starts: one that a custom object of the release may create is not missed.

use super::outcomes::promotion;
use super::run::{Run, start};
use super::scenarios::{deployment, environment, release};
use serde_json::{Value, json};
use towpath::api::PromotionPhase;

/// A Deployment that reads Secret `db`, and a custom object.
fn ended(custom: Value) -> (PromotionPhase, String) {
    let mut run = Run::of(|_, _| {}, &[]);
    let kinds = json!([{ "apiVersion": custom["apiVersion"], "kind": custom["kind"] }]);
    environment(&mut run.store, "prod", json!({ "kinds": kinds }), start());
    let mut web = deployment("web", "web", None);
    web["spec"]["template"]["spec"]["containers"][0]["envFrom"] = json!([{ "secretRef": { "name": "db" } }]);
    release(&mut run.store, "1.0.0", vec![web, custom], start());
    let run = run.restarted().settle();
    (promotion(&run, "prod-shop-1.0.0"), run.log.join("\n"))
}

fn external(name: &str, target: &str) -> Value {
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": { "name": name }, "spec": { "target": { "name": target } },
    })
}

#[test]
fn a_secret_that_an_object_of_the_release_will_create_is_not_missed_before_the_first_write() {
    for custom in [external("vault", "db"), external("db", "another")] {
        let (phase, log) = ended(custom);
        assert_eq!(phase, PromotionPhase::Verified, "{log}");
    }
    let (phase, log) = ended(external("vault", "another"));
    assert_eq!(phase, PromotionPhase::Failed, "{log}");
    assert!(log.contains("Secret db does not exist"), "{log}");
}
