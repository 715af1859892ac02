//! The time of the API server, taken from its answers: the clock of the user's machine may be off.

use crate::cluster::ServerTime;
use http::Request;
use kube::Client;
use kube::client::Body;
use tower::service_fn;

/// The same client; the dates of its answers correct `time`.
pub fn dated(client: Client, project: &str, time: &ServerTime) -> Client {
    let time = time.clone();
    let service = service_fn(move |request: Request<Body>| {
        let (client, time) = (client.clone(), time.clone());
        async move {
            let sent = time.own();
            let answer = client.send(request).await?;
            time.answered(answer.headers(), sent);
            Ok::<_, kube::Error>(answer)
        }
    });
    Client::new(service, project)
}
