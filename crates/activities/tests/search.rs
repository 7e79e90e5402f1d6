use url::Url;

use crate::support::Activities;

#[actix_web::test]
async fn words_are_found_in_any_form_and_typed_nonsense_breaks_nothing() {
    let service = Activities::start().await;
    let coco = service.person(0xc0c0);
    let mut posts = Vec::new();
    for message in ["Running in the rain", "A quiet evening, no runs", "50% of nothing", "Grüße aus Köln"]
    {
        posts.push(service.write(&coco, message).await);
    }
    let cases: [(&str, &[usize]); 14] = [
        ("run", &[1, 0]),
        ("RUNNING", &[1, 0]),
        ("run -rain", &[1]),
        ("rain or evening", &[1, 0]),
        ("\"quiet evening\"", &[1]),
        ("\"evening quiet\"", &[]),
        ("köln", &[3]),
        ("50%", &[2]),
        ("the", &[]),
        ("nobody said this", &[]),
        ("'; drop table posts; --", &[]),
        ("& | ! ( ) :*", &[]),
        ("\"", &[]),
        ("\\", &[]),
    ];
    for (term, expect) in cases {
        let mut path = Url::parse("http://activities/activities/search").unwrap();
        path.query_pairs_mut().append_pair("term", term);
        let path = &path[url::Position::BeforePath..];
        let expect: Vec<_> = expect.iter().map(|n| posts[*n].clone()).collect();
        assert_eq!(service.get(path).await.uuids(), expect, "{term}");
    }
    assert_eq!(service.get("/activities/home").await.uuids().len(), 4);
}
