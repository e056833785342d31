//! What each format gives.

use anteroom_documents::{DraftEntry, ImportError, Limits, import};
use anteroom_types::{UserFacing, Wall};

fn read(bytes: &[u8], name: &str) -> Vec<DraftEntry> {
    import(bytes, name, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Entries as `id | title | questions | answer`.
#[track_caller]
fn check(bytes: &[u8], name: &str, expected: &[&str]) {
    let got: Vec<String> = read(bytes, name)
        .iter()
        .map(|e| {
            format!(
                "{} | {} | {} | {}",
                e.id,
                e.title,
                e.questions.join(" / "),
                e.answer
            )
        })
        .collect();
    assert_eq!(got, expected);
}

#[track_caller]
fn check_line(bytes: &[u8], name: &str, line: u64, says: &str) {
    match import(bytes, name, &Limits::default()) {
        Err(ImportError::Line { line: at, problem }) => {
            assert_eq!(at, line, "{problem}");
            assert!(problem.contains(says), "{problem}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn markdown_headings_are_entries() {
    let text = "---\nlanguage: en-GB\nexpires: 2027-03-31\n---\n# The clinic\n\n## Parking {#car-park}\nQ: Is there parking?\nQ: Where can I park?\n\nThere is a *small* [car park](http://example.test).\nIt is free\n\n* two wide spaces\n* a rack ![pic](x.png)\n\n## Is there a lift?\nExpires: 2026-12-31\nLanguage: cy\n\nYes.\n";
    check(
        text.as_bytes(),
        "a/b.md",
        &[
            "car-park | Parking | Is there parking? / Where can I park? | There is a small car park. It is free. two wide spaces. a rack.",
            "is-there-a-lift | Is there a lift? | Is there a lift? | Yes.",
        ],
    );
    let entries = read(text.as_bytes(), "a/b.md");
    assert_eq!(entries[0].source, "b.md");
    assert_eq!(entries[0].language, "en-GB");
    // The end of the day named, in UTC.
    assert_eq!(entries[0].expires, Some(Wall(1_806_537_600_000)));
    assert_eq!(entries[1].language, "cy");
    assert_eq!(entries[1].expires, Some(Wall(1_798_761_600_000)));
}

#[test]
fn markdown_errors_name_the_line() {
    check_line(b"## A {#same}\nx\n\n## B {#same}\ny\n", "k.md", 4, "twice");
    check_line(b"# T\n\n## A\nQ: Anybody?\n", "k.md", 3, "no answer");
    check_line(b"## A {#Not_An_Id}\nx\n", "k.md", 1, "small letters");
    check_line(b"## A\nExpires: tomorrow\n\nx\n", "k.md", 1, "2027-03-31");
    check_line(b"---\nexpires: soon\n---\n## A\nx\n", "k.md", 2, "soon");
    let long = format!("## A\nQ: Why?\n\n{}\n", "word ".repeat(500));
    check_line(long.as_bytes(), "k.md", 1, "2000 characters");
}

#[test]
fn running_text_is_split_at_sentences() {
    let sentence = "This leaflet says a great deal about one subject. ";
    let text = format!("# Leaflet\n\n{}\n", sentence.repeat(30));
    let entries = read(text.as_bytes(), "leaflet.md");
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[1].id.as_str(), "leaflet-2");
    assert_eq!(entries[1].title, "Leaflet (2)");
    assert!(
        entries
            .iter()
            .all(|e| e.answer.chars().count() <= 600 && e.answer.ends_with("subject."))
    );
}

#[test]
fn plain_text_has_questions_or_headings() {
    check(
        b"Q: When are you open?\nQ: What are your hours?\nA: From nine to five.\n\nQ: Is there a lift?\nYes, there is.\n",
        "faq.txt",
        &[
            "when-are-you-open | When are you open? | When are you open? / What are your hours? | From nine to five.",
            "is-there-a-lift | Is there a lift? | Is there a lift? | Yes, there is.",
        ],
    );
    check(
        "Parking\r\n\r\nThere is a car park\r\nbehind the building.\r\n\r\nCaf\u{e9}\r\n\r\nIt opens at ten.\r\n".as_bytes(),
        "notes.txt",
        &[
            "parking | Parking |  | There is a car park behind the building.",
            "caf | Café |  | It opens at ten.",
        ],
    );
}

#[test]
fn text_in_other_encodings() {
    let utf16: Vec<u8> = [0xFF, 0xFE]
        .into_iter()
        .chain(
            "Fees\n\nA letter costs £20.\n"
                .encode_utf16()
                .flat_map(u16::to_le_bytes),
        )
        .collect();
    check(&utf16, "fees.txt", &["fees | Fees |  | A letter costs £20."]);
    check(
        b"Fees\n\nA letter costs \xA320.\n",
        "fees.txt",
        &["fees | Fees |  | A letter costs £20."],
    );
    let html = b"<meta charset=iso-8859-2><h2>Adres</h2><p>Ulica \xA3\xF3dzka.</p>";
    check(html, "a.html", &["adres | Adres |  | Ulica Łódzka."]);
}

#[test]
fn csv_rows_are_entries() {
    check(
        b"id,title,questions,answer,language,expires\r\nlift,Lift,Is there a lift?|Any stairs?,\"Yes, to the\nfirst floor.\",,2026-12-31\r\n,Wi-fi,,It is free.,cy,\r\n",
        "k.csv",
        &[
            "lift | Lift | Is there a lift? / Any stairs? | Yes, to the first floor.",
            "wi-fi | Wi-fi |  | It is free.",
        ],
    );
    check(
        b"Title;Answer\nLift;Yes, there is\n",
        "k.csv",
        &["lift | Lift |  | Yes, there is"],
    );
}

#[test]
fn csv_errors_name_the_line() {
    check_line(b"id,title\na,b\n", "k.csv", 1, "title and answer");
    check_line(b"title,answer,colour\na,b,c\n", "k.csv", 1, "column 3 is unknown");
    check_line(b"title,answer\nA,x\nB,y,z\n", "k.csv", 3, "3 fields");
    check_line(b"title,answer\nA,x\nB,\n", "k.csv", 3, "answer is empty");
    check_line(b"id,answer\na,\"x\ny\"\na,z\n", "k.csv", 4, "given twice");
    check_line(b"title,answer,expires\nA,x,31/12/2026\n", "k.csv", 2, "no day");
    check_line(b"title,answer,language\nA,x,English\n", "k.csv", 2, "language");
}

#[test]
fn web_pages_without_what_visitors_do_not_read() {
    let page = "<!doctype html><html lang='en-GB'><head><title>T</title><style>p{}</style></head><body><nav><a>Home</a></nav>\
        <h1>The <b>clinic</b></h1><h2>Parking &amp; bikes</h2><p>There is a<br>car park.</p><script>steal()</script><ul><li>two spaces<li>a rack</ul>\
        <table><tr><th>Monday</th><td>nine to five</td></tr></table><p hidden>secret</p><h2>Is there a lift?</h2><div>Yes.</div><footer>Cookies</footer></body></html>";
    check(
        page.as_bytes(),
        "page.html",
        &[
            "parking-bikes | Parking & bikes |  | There is a car park. two spaces. a rack. Monday, nine to five.",
            "is-there-a-lift | Is there a lift? | Is there a lift? | Yes.",
        ],
    );
    assert_eq!(read(page.as_bytes(), "page.html")[0].language, "en-GB");
}

#[test]
fn a_word_document() {
    check(
        include_bytes!("fixtures/leaflet.docx"),
        "leaflet.docx",
        &[
            "parking | Parking |  | There is a small car park behind the building. It is free for patients & visitors.",
            "how-do-i-get-a-sick-note | How do I get a sick note? | How do I get a sick note? | For the first seven days you can sign yourself off. After that, ask reception – it takes two working days. Monday, half past eight. Tuesday, nine.",
        ],
    );
}

#[test]
fn a_pdf_from_a_word_processor() {
    let entries = read(include_bytes!("fixtures/leaflet.pdf"), "leaflet.pdf");
    let parking = entries
        .iter()
        .find(|e| e.title == "Parking")
        .expect("its headings are found");
    assert_eq!(
        parking.answer,
        "There is a small car park behind the building. It is free for patients & visitors."
    );
    assert_eq!(parking.source, "leaflet.pdf, page 1");
    let note = entries
        .iter()
        .find(|e| e.title == "How do I get a sick note?")
        .unwrap();
    assert!(note.answer.starts_with(
        "For the first seven days you can sign yourself off. After that, ask reception – it takes two working days."
    ));
}

#[test]
fn a_pdf_of_two_pages_is_cited_by_page() {
    let bytes = include_bytes!("fixtures/two-pages.pdf");
    check(
        bytes,
        "two-pages.pdf",
        &[
            "opening-hours | Opening hours |  | The clinic is open from Monday to Friday, from half past eight in the morning until half past six in the evening, and it stays open over lunch. It is closed at weekends.",
            "travel-clinic | Travel clinic |  | The travel clinic is on Thursdays. Fill in the form first.",
        ],
    );
    let sources: Vec<_> = read(bytes, "two-pages.pdf")
        .into_iter()
        .map(|e| e.source)
        .collect();
    assert_eq!(sources, ["two-pages.pdf, page 1", "two-pages.pdf, page 2"]);
}

#[test]
fn every_error_has_a_code_and_a_hint() {
    let e = import(b"x", "x.xyz", &Limits::default()).unwrap_err();
    assert_eq!(e, ImportError::UnknownFormat);
    assert_eq!(e.code(), "documents.unknown_format");
    assert!(e.hint().contains(".docx"));
}
