// Tells of a call while the page is in the background, where the system lets it. It says that somebody rings, and not who:
// the system keeps what it shows, and may show it on a locked screen.

export type Notices = 'unknown' | 'on' | 'off' | 'impossible';

export function notices(): Notices {
  if (!('Notification' in window)) return 'impossible';
  switch (Notification.permission) {
    case 'granted':
      return 'on';
    case 'denied':
      return 'off';
    default:
      return 'unknown';
  }
}

export async function askForNotices(): Promise<Notices> {
  if (notices() === 'unknown') await Notification.requestPermission();
  return notices();
}

export class Notice {
  #shown: Notification | null = null;

  show(title: string, body: string): void {
    if (this.#shown !== null || !document.hidden || notices() !== 'on') return;
    try {
      this.#shown = new Notification(title, { body, tag: 'anteroom-call', requireInteraction: true, silent: true });
      this.#shown.onclick = () => {
        window.focus();
        this.hide();
      };
    } catch {
      // Some browsers have notices for service workers only; the title and the ringing remain.
    }
  }

  hide(): void {
    this.#shown?.close();
    this.#shown = null;
  }
}
