package lab

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// transmissionClient is transmission-cli, of version 3: one torrent a process. Its kB are 1000 bytes.
var transmissionClient = client{
	name: "transmission", pkg: "transmission-cli", noLoopback: true, missing: missingProgram("transmission-cli"),
	command: func(p *member) (*exec.Cmd, error) {
		settings, err := json.Marshal(map[string]any{
			"bind-address-ipv4": p.listen.Addr().String(), "bind-address-ipv6": "::1", "peer-port": p.listen.Port(),
			"dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false, "port-forwarding-enabled": false,
			"encryption": 0, "rpc-enabled": false, "download-dir": p.dir, "incomplete-dir-enabled": false, "preallocation": 0,
			"peer-limit-per-torrent": 200, "peer-limit-global": 200,
			"speed-limit-up-enabled": p.up > 0, "speed-limit-up": p.up / 1000,
			"speed-limit-down-enabled": p.down > 0, "speed-limit-down": p.down / 1000,
		})
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(p.state, "settings.json"), settings, 0o600); err != nil {
			return nil, err
		}
		args := []string{"-g", p.state, "-w", p.dir, "-p", strconv.Itoa(int(p.listen.Port())), "-M", "-et"}
		if p.up > 0 {
			args = append(args, "-u", strconv.FormatInt(p.up/1000, 10))
		} else {
			args = append(args, "-U")
		}
		if p.down > 0 {
			args = append(args, "-d", strconv.FormatInt(p.down/1000, 10))
		} else {
			args = append(args, "-D")
		}
		if !p.server {
			hook := filepath.Join(p.state, "complete.sh")
			if err := writeHook(hook, p.done); err != nil {
				return nil, err
			}
			args = append(args, "-f", hook)
		}
		return exec.Command("transmission-cli", append(args, p.torrent)...), nil
	},
}
