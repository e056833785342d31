//! Documents that are broken, lie about themselves or want to use the machine up.

use anteroom_documents::{ImportError, Limits, import};
use lopdf::{Document, Object, Stream, dictionary};
use std::io::{Cursor, Write};
use zip::write::{SimpleFileOptions, ZipWriter};

/// A DOCX archive with these members.
fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn word(body: &str) -> Vec<u8> {
    let xml = format!(
        "<?xml version=\"1.0\"?><w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>{body}</w:body></w:document>"
    );
    archive(&[("word/document.xml", xml.as_bytes())])
}

/// A PDF of one page with this content, compressed.
fn one_page(content: Vec<u8>) -> Vec<u8> {
    let mut doc = Document::with_version("1.5");
    let pages = doc.new_object_id();
    let font =
        doc.add_object(dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" });
    let mut stream = Stream::new(dictionary! {}, content);
    stream.compress().unwrap();
    let content = doc.add_object(stream);
    let page = doc.add_object(dictionary! {
        "Type" => "Page", "Parent" => pages, "Contents" => content,
        "Resources" => dictionary! { "Font" => dictionary! { "F1" => font } },
        "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
    });
    doc.objects.insert(
        pages,
        Object::Dictionary(dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 }),
    );
    let catalog = doc.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    doc.trailer.set("Root", catalog);
    let mut out = Vec::new();
    doc.save_to(&mut out).unwrap();
    out
}

fn small() -> Limits {
    Limits {
        unpacked_bytes_max: 1024 * 1024,
        ..Limits::default()
    }
}

#[track_caller]
fn unreadable(bytes: &[u8], name: &str, says: &str) {
    match import(bytes, name, &Limits::default()) {
        Err(ImportError::Unreadable { problem, .. }) => assert!(problem.contains(says), "{problem}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_archive_that_unpacks_to_too_much() {
    let bomb = word(&"<w:p><w:r><w:t>ha</w:t></w:r></w:p>".repeat(100_000));
    assert!(
        bomb.len() < 100_000,
        "it is a bomb only when it is small: {}",
        bomb.len()
    );
    assert_eq!(
        import(&bomb, "x.docx", &small()),
        Err(ImportError::UnpacksTooLarge {
            bytes_max: 1024 * 1024
        })
    );
}

#[test]
fn a_page_that_unpacks_to_too_much() {
    let bomb = one_page(b"BT /F1 12 Tf (ha) Tj ET\n".repeat(100_000));
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    assert_eq!(
        import(&bomb, "x.pdf", &small()),
        Err(ImportError::UnpacksTooLarge {
            bytes_max: 1024 * 1024
        })
    );
    // The same within the limit is read, so it is the limit that refuses.
    let fine = one_page(b"BT /F1 12 Tf 72 720 Td (We are open.) Tj ET\n".to_vec());
    assert_eq!(
        import(&fine, "x.pdf", &small()).unwrap()[0].answer,
        "We are open."
    );
}

#[test]
fn declared_entities_are_refused_and_others_dropped() {
    let laughs = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><w:document><w:body><w:p><w:r><w:t>&b;</w:t></w:r></w:p></w:body></w:document>";
    unreadable(
        &archive(&[("word/document.xml", laughs.as_bytes())]),
        "x.docx",
        "document type",
    );
    let file = word("<w:p><w:r><w:t>a&passwd;b&#99;&amp;</w:t></w:r></w:p>");
    assert_eq!(
        import(&file, "x.docx", &Limits::default()).unwrap()[0].answer,
        "abc&"
    );
}

#[test]
fn xml_that_is_damaged_or_too_deep() {
    unreadable(&word(&"<w:p>".repeat(600)), "x.docx", "nested too deeply");
    unreadable(&word("<w:p><w:r></w:p>"), "x.docx", "damaged");
    unreadable(
        &archive(&[("word/document.xml", b"<w:p><w:t>a")]),
        "x.docx",
        "breaks off",
    );
    unreadable(
        &archive(&[("xl/workbook.xml", b"<a/>")]),
        "x.docx",
        "no word/document.xml",
    );
    unreadable(b"PK\x03\x04 and then nothing", "x.docx", "archive");
}

#[test]
fn html_that_is_too_deep() {
    let page = |depth: usize| format!("{}<p>Bottom.</p>", "<div>".repeat(depth));
    unreadable(page(100_000).as_bytes(), "x.html", "nested too deeply");
    let entries = import(page(900).as_bytes(), "x.html", &Limits::default()).unwrap();
    assert_eq!(entries[0].answer, "Bottom.");
    // Many elements one after the other are no depth, closed or not.
    let long = format!(
        "{}<p>End.",
        "<p>A line.<br><div><span>Another.</span></div>".repeat(3_000)
    );
    assert!(import(long.as_bytes(), "x.html", &Limits::default()).is_ok());
}

#[test]
fn documents_that_are_not_what_their_name_says() {
    unreadable(b"%PDF-1.7\nno objects here", "x.pdf", "damaged");
    // By its first bytes it is a PDF, whatever it is called.
    unreadable(b"%PDF-1.7\nno objects here", "x.md", "damaged");
    let picture = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00";
    assert_eq!(
        import(picture, "x.txt", &Limits::default()),
        Err(ImportError::NotText)
    );
    let old_word = [&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1][..], &[0; 64]].concat();
    assert_eq!(
        import(&old_word, "x.docx", &Limits::default()),
        Err(ImportError::Locked)
    );
    assert_eq!(import(b"", "x.md", &Limits::default()), Err(ImportError::Nothing));
    assert_eq!(
        import(b"# only a title", "x.md", &Limits::default()),
        Err(ImportError::Nothing)
    );
    // A scanned page: there is no text in it.
    let scan = one_page(b"q 595 0 0 842 0 0 cm /Im0 Do Q".to_vec());
    assert_eq!(
        import(&scan, "x.pdf", &Limits::default()),
        Err(ImportError::Nothing)
    );
}

#[test]
fn sizes_and_counts_are_limited() {
    let limits = Limits {
        document_bytes_max: 100,
        entries_max: 3,
        ..Limits::default()
    };
    assert_eq!(
        import(&[b'x'; 101], "x.txt", &limits),
        Err(ImportError::TooBig { bytes_max: 100 })
    );
    let four = b"## a\nx\n## b\nx\n## c\nx\n## d\nx\n";
    assert_eq!(
        import(four, "x.md", &limits),
        Err(ImportError::TooManyEntries { entries_max: 3 })
    );
    let rows = b"title,answer\na,x\nb,x\nc,x\nd,x\n";
    assert_eq!(
        import(rows, "x.csv", &limits),
        Err(ImportError::TooManyEntries { entries_max: 3 })
    );
    let pages = Limits {
        pages_max: 1,
        ..Limits::default()
    };
    assert_eq!(
        import(include_bytes!("fixtures/two-pages.pdf"), "x.pdf", &pages),
        Err(ImportError::TooManyPages { pages_max: 1 })
    );
    let text = Limits {
        text_bytes_max: 3,
        ..Limits::default()
    };
    assert_eq!(
        import(b"long", "x.md", &text),
        Err(ImportError::TooBig { bytes_max: 3 })
    );
}

/// A small generator (SplitMix64), so that a failing case can be run again by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }
}

/// Damaged in any way, a document is read or refused; it never takes the caller down and never takes for ever.
#[test]
fn damaged_documents_are_read_or_refused() {
    let fixtures: [(&[u8], &str); 4] = [
        (include_bytes!("fixtures/leaflet.docx"), "x.docx"),
        (include_bytes!("fixtures/leaflet.pdf"), "x.pdf"),
        (include_bytes!("fixtures/two-pages.pdf"), "x.pdf"),
        (
            include_bytes!("../../../assets/clinic/knowledge/01-finding-us.md"),
            "x.md",
        ),
    ];
    let mut refused = 0;
    for seed in 0..120_u64 {
        let mut random = Random(seed);
        let (bytes, name) = fixtures[random.below(fixtures.len())];
        let mut bytes = bytes.to_vec();
        for _ in 0..=random.below(24) {
            let at = random.below(bytes.len());
            bytes[at] = u8::try_from(random.below(256)).unwrap();
        }
        if random.below(3) == 0 {
            bytes.truncate(random.below(bytes.len()));
        }
        match import(&bytes, name, &Limits::default()) {
            Ok(entries) => assert!(
                entries.iter().all(|e| e.answer.chars().count() <= 2_000),
                "seed {seed}"
            ),
            Err(ImportError::TookTooLong { .. } | ImportError::Busy) => panic!("seed {seed} does not end"),
            Err(_) => refused += 1,
        }
    }
    assert!(
        refused > 10,
        "the damage is not enough to test anything: {refused}"
    );
}
