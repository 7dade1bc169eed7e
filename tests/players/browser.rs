//! Chromium: an audio element on a page of another origin, as in a host whose user interface is a web view.

use std::time::Instant;

use serde_json::{Value, json};

use crate::host::ms;
use crate::page::Page;
use crate::program::installed;
use crate::shelf::Track;
use crate::stage::Stage;
use crate::webdriver::Browser;

/// Bytes per second, a few times what the tracks need.
const RATE: u64 = 2_000_000;

#[test]
fn chromium_plays_seeks_and_lets_the_page_hear() {
    if !installed(&["ffmpeg", "chromium", "chromedriver"]) {
        return;
    }
    let stage = Stage::new(RATE);
    let page = Page::serve();
    let browser = Browser::start();
    browser.open(&page.url());
    for track in Track::ALL {
        let stream = stage.prepare(track);
        let call = |function: &str, arguments: Value| {
            let begun = Instant::now();
            let answer = browser.call(function, arguments);
            println!("{track:?}: {function} {} ms", ms(begun));
            let answer = answer.unwrap_or_else(|error| panic!("{track:?}: {error}\n{}", stage.log()));
            answer.as_f64().unwrap_or_else(|| panic!("{track:?}: {function} answered {answer}"))
        };
        let hears = matches!(track, Track::Flac | Track::M4aMoovLast | Track::M4aMoovFirst);
        let duration = call("open", json!([stream.url, hears]));
        assert!((duration - track.seconds()).abs() < 0.1, "{track:?}: {duration} s");
        let at = call("played", json!([0.4]));
        assert!((0.4..5.0).contains(&at), "{track:?}: plays at {at} s");
        let target = duration * 0.7;
        let at = call("seek", json!([target]));
        assert!((at - target).abs() < 0.1, "{track:?}: sought {target} s, came to {at} s");
        let at = call("played", json!([0.4]));
        assert!((target + 0.4..target + 5.0).contains(&at), "{track:?}: plays at {at} s");
        if hears {
            let loudest = call("loudness", json!([]));
            assert!(loudest > 0.001, "{track:?}: the loudest sample is {loudest}");
        }
        stage.host.session.release(&stream.token);
    }
}
