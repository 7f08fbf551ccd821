# One libtorrent peer of a lab: TORRENT DIR IP:PORT UP DOWN server|peer. It prints "complete" when all is there.
import signal, sys
import libtorrent as lt

torrent, where, listen, up, down, role = sys.argv[1:]
session = lt.session({
    "listen_interfaces": listen, "outgoing_interfaces": listen.rsplit(":", 1)[0],
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "in_enc_policy": 2, "out_enc_policy": 2, "enable_outgoing_utp": False, "enable_incoming_utp": False,
    "upload_rate_limit": int(up), "download_rate_limit": int(down), "connections_limit": 500,
    "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification,
})
# Private addresses count as a local network, which rate limits and unchoke slots do not hold for: treat all alike.
classes = lt.ip_filter()
classes.add_rule("0.0.0.0", "255.255.255.255", 1 << int(session.global_peer_class_id))
session.set_peer_class_filter(classes)
add = lt.add_torrent_params()
add.ti = lt.torrent_info(torrent)
add.save_path = where
add.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
if role == "server":
    add.flags |= lt.torrent_flags.seed_mode
session.add_torrent(add)
ended = []
for s in (signal.SIGINT, signal.SIGTERM):
    signal.signal(s, lambda *_: ended.append(1))
while not ended:
    session.wait_for_alert(100)
    for alert in session.pop_alerts():
        kind = type(alert).__name__
        if kind == "torrent_finished_alert":
            print("complete", flush=True)
        elif "error" in kind or "failed" in kind:
            print(kind, alert.message(), file=sys.stderr, flush=True)
