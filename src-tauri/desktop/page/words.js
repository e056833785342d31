// What the headset's window says, in the languages of the page.
export const WORDS = {
  en: {
    title: 'Headset', idle: 'No call on this headset.', number: 'Ring a colleague or a number', dial: 'Ring', sound: 'Sound',
    you: 'You', caller: 'Caller', microphone: 'Microphone', headset: 'Headset', ringer: 'Rings at', usual: 'The system’s choice',
    away: 'not plugged in', echo: 'Keep callers from hearing themselves', noise: 'Quieten noise at the desk', answer: 'Answer',
    decline: 'Decline', hang_up: 'Hang up', hold: 'Hold', resume: 'Take back', mute: 'Mute', unmute: 'Muted: speak again',
    keypad: 'Keypad', ringing: 'Rings', urgent: 'Urgent', dialling: 'Is rung', talking: 'On the line', held: 'On hold',
    lost: (what, name) => `${what}: ${name} was unplugged. The call goes on.`,
    instead: (what, name) => `${what}: ${name} is used, because the one you chose is not there.`,
    missing: (what) => `${what}: there is no device. Plug one in, or use another telephone.`,
    elsewhere: 'Somebody else has answered.', refused: 'That could not be reached. Look at the number, or try again later.',
    no_telephone: 'This machine is no telephone. Look at the log.', no_call: 'It rings no longer.',
    not_placed: 'No call can be placed now.', no_devices: 'The sound devices cannot be listed.',
    not_kept: 'The choice holds until Anteroom ends; it could not be kept.', no_keys: 'Those are no keys.',
  },
  de: {
    title: 'Headset', idle: 'Kein Anruf auf diesem Headset.', number: 'Jemanden hier oder eine Nummer anrufen', dial: 'Anrufen',
    sound: 'Ton', you: 'Sie', caller: 'Anrufer', microphone: 'Mikrofon', headset: 'Headset', ringer: 'Klingelt an',
    usual: 'Wahl des Systems', away: 'nicht angesteckt', echo: 'Anrufer hören sich nicht selbst', noise: 'Geräusche am Platz leiser',
    answer: 'Annehmen', decline: 'Ablehnen', hang_up: 'Auflegen', hold: 'Halten', resume: 'Zurückholen', mute: 'Stumm',
    unmute: 'Stumm: wieder sprechen', keypad: 'Tasten', ringing: 'Klingelt', urgent: 'Dringend', dialling: 'Wird angerufen',
    talking: 'Im Gespräch', held: 'Gehalten',
    lost: (what, name) => `${what}: ${name} wurde abgezogen. Das Gespräch geht weiter.`,
    instead: (what, name) => `${what}: ${name} wird benutzt, weil das gewählte Gerät nicht da ist.`,
    missing: (what) => `${what}: kein Gerät da. Stecken Sie eines an oder nehmen Sie ein anderes Telefon.`,
    elsewhere: 'Jemand anders hat angenommen.', refused: 'Nicht erreicht. Prüfen Sie die Nummer oder versuchen Sie es später.',
    no_telephone: 'Dieser Rechner ist kein Telefon. Sehen Sie im Protokoll nach.', no_call: 'Es klingelt nicht mehr.',
    not_placed: 'Jetzt kann nicht angerufen werden.', no_devices: 'Die Tongeräte lassen sich nicht auflisten.',
    not_kept: 'Die Wahl gilt, bis Anteroom endet; sie konnte nicht gespeichert werden.', no_keys: 'Das sind keine Tasten.',
  },
  fr: {
    title: 'Casque', idle: 'Aucun appel sur ce casque.', number: 'Appeler un collègue ou un numéro', dial: 'Appeler', sound: 'Son',
    you: 'Vous', caller: 'Appelant', microphone: 'Microphone', headset: 'Casque', ringer: 'Sonne sur', usual: 'Le choix du système',
    away: 'débranché', echo: 'Éviter aux appelants leur propre écho', noise: 'Atténuer le bruit à l’accueil', answer: 'Répondre',
    decline: 'Refuser', hang_up: 'Raccrocher', hold: 'Mettre en attente', resume: 'Reprendre', mute: 'Muet',
    unmute: 'Muet : reparler', keypad: 'Clavier', ringing: 'Sonne', urgent: 'Urgent', dialling: 'Appel en cours',
    talking: 'En ligne', held: 'En attente',
    lost: (what, name) => `${what} : ${name} a été débranché. L’appel continue.`,
    instead: (what, name) => `${what} : ${name} est utilisé, car l’appareil choisi n’est pas là.`,
    missing: (what) => `${what} : aucun appareil. Branchez-en un ou utilisez un autre téléphone.`,
    elsewhere: 'Quelqu’un d’autre a répondu.', refused: 'Injoignable. Vérifiez le numéro ou réessayez plus tard.',
    no_telephone: 'Cette machine n’est pas un téléphone. Consultez le journal.', no_call: 'Cela ne sonne plus.',
    not_placed: 'Aucun appel possible maintenant.', no_devices: 'Les appareils de son ne peuvent pas être listés.',
    not_kept: 'Le choix vaut jusqu’à la fin d’Anteroom ; il n’a pas pu être gardé.', no_keys: 'Ce ne sont pas des touches.',
  },
  es: {
    title: 'Auriculares', idle: 'Ninguna llamada en estos auriculares.', number: 'Llamar a un colega o a un número', dial: 'Llamar',
    sound: 'Sonido', you: 'Usted', caller: 'Quien llama', microphone: 'Micrófono', headset: 'Auriculares', ringer: 'Suena en',
    usual: 'La elección del sistema', away: 'desconectado', echo: 'Evitar que quien llama se oiga', noise: 'Atenuar el ruido del puesto',
    answer: 'Contestar', decline: 'Rechazar', hang_up: 'Colgar', hold: 'Poner en espera', resume: 'Recuperar', mute: 'Silenciar',
    unmute: 'Silenciado: volver a hablar', keypad: 'Teclado', ringing: 'Suena', urgent: 'Urgente', dialling: 'Llamando',
    talking: 'En línea', held: 'En espera',
    lost: (what, name) => `${what}: se desconectó ${name}. La llamada sigue.`,
    instead: (what, name) => `${what}: se usa ${name}, porque el elegido no está.`,
    missing: (what) => `${what}: no hay dispositivo. Conecte uno o use otro teléfono.`,
    elsewhere: 'Ha contestado otra persona.', refused: 'No se pudo comunicar. Revise el número o inténtelo más tarde.',
    no_telephone: 'Esta máquina no es un teléfono. Mire el registro.', no_call: 'Ya no suena.',
    not_placed: 'Ahora no se puede llamar.', no_devices: 'No se pueden listar los dispositivos de sonido.',
    not_kept: 'La elección vale hasta que Anteroom termine; no se pudo guardar.', no_keys: 'Eso no son teclas.',
  },
};

export function pick(languages) {
  for (const l of languages) {
    const known = l.slice(0, 2).toLowerCase();
    if (known in WORDS) return known;
  }
  return 'en';
}
