use std::sync::Arc;

use actix_web::web;
use service::server::Ready;
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use crate::support::{read, settings, start};

#[actix_web::test]
async fn a_request_in_flight_is_answered_before_the_server_stops() {
    let (entered, may_leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let gates = (entered.clone(), may_leave.clone());
    let server = start(&settings(), Ready::new(), move |app| {
        let (entered, may_leave) = gates.clone();
        app.service(web::resource("/wait").get(move || {
            let (entered, may_leave) = (entered.clone(), may_leave.clone());
            async move {
                entered.add_permits(1);
                may_leave.acquire().await.unwrap().forget();
                "done"
            }
        }));
    });
    let mut stream = server.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    entered.acquire().await.unwrap().forget();

    let stopped = telemetry::spawn(server.handle.stop(true));
    may_leave.add_permits(1);
    let answer = read(&mut stream).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    stopped.await.unwrap();
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.is_err());
}
