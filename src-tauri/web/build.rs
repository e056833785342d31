//! Embeds the built page (`ui/dist`) so that the program is one file. Without it, a page that says how to build it.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Anteroom</title>\
<p>This program was built without its page. Run <code>npm ci &amp;&amp; npm run build</code> in <code>ui/</code>, \
then build the program again.</p></html>\n";

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    let dist = root.join("../../ui/dist");
    println!("cargo:rerun-if-changed=build.rs");
    // A path that is not there would count as changed every time; where it cannot be made, it does.
    let _ = fs::create_dir_all(&dist);
    println!("cargo:rerun-if-changed={}", dist.display());

    let index = dist.join("index.html");
    let index = if index.is_file() {
        println!("cargo:rerun-if-changed={}", index.display());
        fs::canonicalize(index)?
    } else {
        let file = out.join("index.html");
        fs::write(&file, MISSING)?;
        file
    };
    let mut code = String::new();
    line(&mut code, "INDEX", "index.html", &index)?;

    code.push_str("pub(crate) static ASSETS: &[Asset] = &[\n");
    let assets = dist.join("assets");
    if assets.is_dir() {
        println!("cargo:rerun-if-changed={}", assets.display());
        let mut files = fs::read_dir(&assets)?
            .map(|e| e.map(|e| e.path()))
            .collect::<io::Result<Vec<_>>>()?;
        files.sort();
        for file in files.iter().filter(|f| f.is_file()) {
            println!("cargo:rerun-if-changed={}", file.display());
            let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            code.push_str("    ");
            code.push_str(&asset(name, &fs::canonicalize(file)?)?);
            code.push_str(",\n");
        }
    }
    code.push_str("];\n");
    fs::write(out.join("page.rs"), code)
}

fn line(code: &mut String, constant: &str, name: &str, file: &Path) -> io::Result<()> {
    writeln!(
        code,
        "pub(crate) static {constant}: Asset = {};",
        asset(name, file)?
    )
    .map_err(io::Error::other)
}

fn asset(name: &str, file: &Path) -> io::Result<String> {
    let mut etag = String::new();
    for b in Sha256::digest(fs::read(file)?).iter().take(12) {
        write!(etag, "{b:02x}").map_err(io::Error::other)?;
    }
    let kind = match file.extension().and_then(|e| e.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    };
    Ok(format!(
        "Asset {{ name: {name:?}, kind: {kind:?}, etag: \"\\\"{etag}\\\"\", bytes: include_bytes!({file:?}) }}"
    ))
}
