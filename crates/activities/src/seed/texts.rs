//! A small vocabulary. A template's `{slot}` takes any word of that slot, but no word twice.

use rand::RngExt;
use rand::rngs::StdRng;

pub(super) fn post(rng: &mut StdRng) -> String {
    fill(rng, POSTS)
}

pub(super) fn reply(rng: &mut StdRng) -> String {
    fill(rng, REPLIES)
}

fn fill(rng: &mut StdRng, templates: &[&str]) -> String {
    let mut rest = pick(rng, templates);
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        let (slot, after) = after.split_once('}').expect("a slot that is opened is closed");
        let (_, words) = SLOTS.iter().find(|(name, _)| *name == slot).expect("a slot that has words");
        text.push_str(before);
        let words: Vec<_> = words.split('|').filter(|word| !text.contains(word)).collect();
        text.push_str(pick(rng, &words));
        rest = after;
    }
    text.push_str(rest);
    text
}

fn pick<'a>(rng: &mut StdRng, words: &[&'a str]) -> &'a str {
    words[rng.random_range(0..words.len())]
}

const POSTS: &[&str] = &[
    "The {animal} is on the window sill again. It looks at me as if I owed it {dish}.",
    "Tried to cook {dish} {when}. The smoke alarm has opinions.",
    "Best {dish} in town is still the place behind {place}. I will not be taking questions.",
    "Walked from {place} to {place} {when}. {weather}, and worth every step.",
    "{weather} over {place} {when}. Nobody else was there.",
    "Finally planted a {plant} on the balcony. The {animal} approves.",
    "My {plant} has three new leaves and I have told everyone I know.",
    "Learning {instrument}, week {number}. The neighbours have begun to hum along. Or to pray.",
    "Does anyone near {place} teach {instrument}? Beginner, patient, owns earplugs.",
    "Reading {book} on the night train. Missed my stop, no regrets.",
    "{book} or {book} for the long weekend?",
    "Lost: one {colour} umbrella, last seen near {place}. It answers to nothing.",
    "Found a {colour} glove at {place}. Waving it around for an hour now. Nobody waves back.",
    "{number} kilometres before breakfast. {weather}. Legs filed a complaint.",
    "The {animal} at {place} has learned to open the bakery door. I respect it.",
    "Market day at {place}: {dish}, a {plant}, and far too much cheese.",
    "Swapped {dish} for {dish} with the neighbour. I got the better deal.",
    "Today's view: {weather_low}, one {animal}, zero meetings.",
    "Fixed the old {gadget} {when}. One screw left over, as tradition demands.",
    "Why does the {gadget} only fail when somebody is watching?",
    "The {gadget} works again. Turned it off and on, took a bow.",
    "Deployed on a Friday. {weather} outside, calm on the dashboards. Suspicious.",
    "Found the slow query. It was asking for everything, {number} times. We had a talk.",
    "One missing index, {number} times faster. I am framing the query plan.",
    "Read a trace {when}. The culprit was the one service we all trusted.",
    "Cloud homework, week {number}: everything is green and I do not know why.",
    "Rubber duck of the week: the {animal} from {place}. It just stares until I see the bug.",
    "Pairing {when}. We wrote {number} lines and deleted more. Good day.",
    "Open rehearsal at {place} {soon}: {instrument}, {instrument} and one very loud cough.",
    "If you hear {instrument} from {place} at dawn: sorry, and also no.",
    "Film night at {place}. Bring a blanket, {weather_low} is forecast.",
    "Chess at {place}, {when}. The {animal} took my queen. Literally.",
    "Small joys: {dish}, a {colour} bicycle, {weather_low}.",
    "Painted the kitchen {colour}. It looked different on the tin.",
    "Somebody left {book} on the bench at {place} with a note: take me. So I did.",
    "Pen pals with my future self: dear me, did the {plant} survive?",
    "Taught the {animal} to high-five {when}. It now wants {dish} for everything.",
    "Night shift. Coffee number {number}, and the city is all mine.",
    "Unpopular opinion: {dish} counts as breakfast.",
    "Anyone up for a walk around {place} {soon}? I bring {dish}.",
];

const REPLIES: &[&str] = &[
    "This made my day.",
    "Same here, every single time.",
    "Count me in. Where do we meet?",
    "Photos or it did not happen.",
    "My {animal} does exactly that.",
    "I was at {place} too! {weather} and all.",
    "Try it with {dish}. Trust me.",
    "Strong disagree, but I like your style.",
    "Asking for a friend: is the {gadget} still for sale?",
    "You had me at {dish}.",
    "Have you read {book}? You would love it.",
    "Saving this for later.",
    "That is the most {colour} thing I have read today.",
    "Week {number} here. It gets easier, then it gets harder, then it is fun.",
    "Laughing on the tram, people are looking.",
    "Which index? Asking before Monday does.",
    "Did you check the cache? It is always the cache.",
    "Welcome to the club. We have {dish}.",
    "I can lend you {instrument}, it only needs {number} strings.",
    "Next time take the way past {place}.",
    "So happy for you!",
    "Sounds like a job for a {colour} umbrella.",
    "Teach me.",
    "The {animal} knows more than it says.",
    "I will bring {dish} {soon}.",
];

const SLOTS: &[(&str, &str)] = &[
    (
        "animal",
        "grey cat|heron|neighbour's dog|magpie|hedgehog|one-eyed pigeon|goose|squirrel|old tomcat|crow",
    ),
    (
        "place",
        "the harbour|Mill Lane|the botanical garden|the old lighthouse|Station Square|the canal|the reservoir|\
         the north pier|the library steps|Clocktower Hill|the ferry dock|the tram depot",
    ),
    (
        "dish",
        "lentil soup|cardamom buns|dumplings|shakshuka|fish tacos|plum cake|noodles|mushroom pie|rice pudding|\
         flatbread|pickles|cinnamon toast",
    ),
    ("plant", "fig tree|fern|lemon tree|rosemary|basil plant|chilli plant|monstera|young olive tree"),
    ("instrument", "the cello|the banjo|the accordion|the trumpet|the ukulele|the double bass|the fiddle"),
    (
        "book",
        "\"Moby-Dick\"|\"Middlemarch\"|\"The Left Hand of Darkness\"|\"Frankenstein\"|\"Emma\"|\"The Odyssey\"|\
         \"Invisible Cities\"|\"Three Men in a Boat\"",
    ),
    ("gadget", "radio|coffee machine|bicycle lamp|typewriter|printer|record player|kitchen clock"),
    ("colour", "red|yellow|teal|violet|scarlet|mint green|cobalt blue"),
    ("number", "3|4|5|7|9|12|15|20|21|40"),
    ("when", "this morning|at noon|last night|on Sunday|after work|at sunrise|all afternoon"),
    ("soon", "tomorrow|tonight|on Sunday|after work|at noon|at sunrise"),
    ("weather", "Thick fog|First frost|Warm rain|A clear sky|Wind from the sea|Soft snow|Late sun"),
    ("weather_low", "light rain|a cold breeze|late sun|a starry sky|fog|thunder"),
];
