// A real SIP server for the browser handset: Kamailio, with SIP over WebSocket on loopback.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';

const MODULES = ['/usr/lib/x86_64-linux-gnu/kamailio/modules/', '/usr/lib/aarch64-linux-gnu/kamailio/modules/', '/usr/lib64/kamailio/modules/'];

/** Users are who they say they are with the password `sample-<user>`. What `caller` rings carries the call's id. */
const config = (port, call) => `#!KAMAILIO
debug=0
log_stderror=yes
children=1
disable_sctp=yes
listen=tcp:127.0.0.1:${port}
auto_aliases=no
dns=no
rev_dns=no
tcp_accept_no_cl=yes
tcp_connection_lifetime=3604
mpath="${MODULES.join(':')}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "nathelper.so"
loadmodule "xhttp.so"
loadmodule "websocket.so"
modparam("nathelper|registrar", "received_avp", "$avp(received)")
modparam("registrar", "max_expires", 600)
modparam("tm", "fr_inv_timer", 60000)

event_route[xhttp:request] {
  if ($hdr(Upgrade) =~ "websocket" && $rm =~ "GET") {
    if (ws_handle_handshake()) exit;
  }
  xhttp_reply("404", "Not Found", "", "");
}

request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (nat_uac_test("64")) {
    force_rport();
    if (is_method("REGISTER")) { fix_nated_register(); } else { add_contact_alias(); }
  }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (has_totag()) {
    if (loose_route()) { if ($du == $null) handle_ruri_alias(); t_on_reply("NAT"); t_relay(); exit; }
    if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
    sl_send_reply("404", "Not Here"); exit;
  }
  t_check_trans();
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("anteroom.invalid", "sample-$fU", "0")) { www_challenge("anteroom.invalid", "1"); exit; }
    if (!save("location")) sl_reply_error();
    exit;
  }
  record_route();
  if (is_method("INVITE") && $fU == "caller") append_hf("X-Anteroom-Call: ${call}\\r\\n");
  if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
  t_on_reply("NAT");
  if (!t_relay()) sl_reply_error();
}

onreply_route[NAT] {
  if (nat_uac_test("64")) add_contact_alias();
}
`;

const open = (port) =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
    socket.once('close', () => socket.destroy());
  });

/** Starts it in `dir` on `port`; INVITEs of `caller` belong to `call`. */
export async function startKamailio(dir, port, call) {
  const file = join(dir, 'kamailio.cfg');
  await writeFile(file, config(port, call));
  const pid = join(dir, 'kamailio.pid');
  const child = spawn('kamailio', ['-f', file, '-DD', '-E', '-Y', dir, '-w', dir, '-P', pid, '-m', '32', '-M', '8'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (d) => (said = (said + d).slice(-4_000)));
  const ended = new Promise((done) => child.once('exit', done));
  for (let n = 0; !(await open(port)); n += 1) {
    if (n > 100 || child.exitCode !== null) throw new Error(`kamailio did not start\n${said}`);
    await new Promise((wait) => setTimeout(wait, 100));
  }
  return {
    said: () => said,
    async stop() {
      // Its first process ends the others.
      process.kill(Number(readFileSync(pid, 'utf8')));
      await ended;
    },
  };
}
