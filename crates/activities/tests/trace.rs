use crate::spans::find;
use crate::support::Activities;

/// The home feed as a story: request, step, statement; with the original Cruddur's attributes on the step.
#[actix_web::test]
async fn a_read_is_three_spans_deep() {
    let service = Activities::start().await;
    let coco = service.person(0xc0c0);
    service.write(&coco, "one").await;
    service.write(&coco, "two").await;

    let reply = service.get_as(&coco, "/activities/home").await;
    let of_trace = |name: &'static str| {
        let trace_id = reply.trace_id.clone();
        find(name, move |span| span.trace_id == trace_id && span.name == name)
    };
    let request = of_trace("GET /activities/home").await;
    let step = of_trace("activities_home").await;
    assert_eq!((request.parent.as_str(), &step.parent), ("", &request.id));
    assert_eq!(step.attributes["app.result_length"], "2");
    assert!(step.attributes["app.now"].parse::<chrono::DateTime<chrono::FixedOffset>>().is_ok());
    assert_eq!(request.attributes["app.user_id"], coco.id.to_string());

    let statement = find("the statement", |span| {
        span.trace_id == reply.trace_id && span.attributes.contains_key("db.query.text")
    })
    .await;
    assert_eq!(statement.parent, step.id);
    assert_eq!(statement.attributes["db.collection.name"], "posts");
}
