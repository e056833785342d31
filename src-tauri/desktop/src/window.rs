//! The two windows, and how the program ends.

use crate::commands::{self, Phone};
use anteroom_appliance::Engine;
use anteroom_handset::Telephone;
use anteroom_host::DRAIN_MAX;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, Manager as _, RunEvent, Url, WebviewUrl, WebviewWindowBuilder};

/// The window with the page.
const MAIN: &str = "main";
/// The window with the headset.
const HEADSET: &str = "headset";

/// Shows both until the main one is closed, or a signal ends the program. Calls in progress are finished first.
pub(crate) fn show(
    runtime: &tokio::runtime::Runtime,
    engine: Engine,
    phone: Option<Telephone>,
    link: String,
) -> tauri::Result<()> {
    tauri::async_runtime::set(runtime.handle().clone());
    let home = Url::parse(&link).map_err(|e| tauri::Error::Io(std::io::Error::other(e)))?;
    let with_headset = phone.is_some();
    let app = tauri::Builder::default()
        .manage(Phone(phone))
        .invoke_handler(tauri::generate_handler![
            commands::view,
            commands::answer,
            commands::hang_up,
            commands::hold,
            commands::mute,
            commands::press,
            commands::dial,
            commands::devices,
            commands::settings,
            commands::choose,
        ])
        .setup(move |app| {
            page(app.handle(), home)?;
            if with_headset {
                headset(app.handle())?;
            }
            tauri::async_runtime::spawn(until_signal(app.handle().clone()));
            Ok(())
        })
        .build(tauri::generate_context!())?;
    let drained = Arc::new(AtomicBool::new(false));
    app.run_return(move |app, event| match event {
        RunEvent::WindowEvent {
            label,
            event: tauri::WindowEvent::Destroyed,
            ..
        } if label == MAIN => app.exit(0),
        RunEvent::ExitRequested { api, .. } if !drained.load(Ordering::Acquire) => {
            // As `anteroom serve` does: nobody is hung up on because a window was closed.
            api.prevent_exit();
            // The headset stays until then: whoever talks must be able to hang up.
            if let Some(main) = app.get_webview_window(MAIN) {
                let _ = main.hide();
            }
            let (app, engine, drained) = (app.clone(), engine.clone(), Arc::clone(&drained));
            tauri::async_runtime::spawn(async move {
                engine.drain(DRAIN_MAX).await;
                drained.store(true, Ordering::Release);
                app.exit(0);
            });
        }
        _ => {}
    });
    Ok(())
}

/// The page, signed in. It stays at our own address whatever it is asked to open.
fn page(app: &AppHandle, home: Url) -> tauri::Result<()> {
    let origin = home.origin();
    WebviewWindowBuilder::new(app, MAIN, WebviewUrl::External(home))
        .title("Anteroom")
        .inner_size(1280.0, 800.0)
        .min_inner_size(360.0, 480.0)
        .on_navigation(move |to| to.origin() == origin)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_download(|_, _| false)
        .build()?;
    Ok(())
}

/// The headset. It never takes the typing focus when it rings.
fn headset(app: &AppHandle) -> tauri::Result<()> {
    WebviewWindowBuilder::new(app, HEADSET, WebviewUrl::App("headset.html".into()))
        .title("Anteroom: headset")
        .inner_size(380.0, 560.0)
        .min_inner_size(320.0, 240.0)
        .always_on_top(true)
        .focused(false)
        .closable(false)
        .on_navigation(|to| to.scheme() == "tauri" || to.host_str() == Some("tauri.localhost"))
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .build()?;
    Ok(())
}

/// Ends the program with SIGTERM or Ctrl-C as if its window had been closed.
async fn until_signal(app: AppHandle) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    app.exit(0);
}
