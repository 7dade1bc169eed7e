//! The settings file: any text gives settings within their bounds, and complaints that name real lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vozduxan::storage::Settings;

fuzz_target!(|text: &str| {
    let (settings, complaints) = Settings::parse(text);
    // An end that comes too early is found behind the last line.
    let lines = text.lines().count() + 1;
    for complaint in &complaints {
        assert!(complaint.line <= lines, "line {} of {lines}: {complaint}", complaint.line);
        assert!(!complaint.problem.is_empty());
    }
    let (network, stream) = (&settings.network, &settings.stream);
    assert!((2..=10_000).contains(&network.connections_limit));
    assert!(network.upload_limit <= i32::MAX as u32 && network.download_limit <= i32::MAX as u32);
    assert!((1..=1_000).contains(&stream.window_pieces) && stream.window_pieces <= stream.lookahead_pieces);
    assert!(stream.lookahead_pieces <= 10_000 && (1..=600).contains(&stream.urgent_seconds));
    assert!(stream.prebuffer_min_bytes >= 4096 && stream.prebuffer_min_bytes <= stream.prebuffer_max_bytes);
    if let Some(proxy) = &network.proxy {
        assert!(!proxy.host.is_empty() && proxy.port != 0);
        // No way to smuggle a NUL or a line break into libtorrent's own syntax.
        assert!(!proxy.host.contains(['\0', '\n', ',']));
    }
    for url in &network.extra_trackers {
        assert!(["http://", "https://", "udp://"].iter().any(|scheme| url.starts_with(scheme)), "{url}");
    }
    // What was read says the same again.
    assert_eq!(Settings::parse(text).0, settings);
});
