//go:build linux || darwin || freebsd || openbsd || netbsd || dragonfly

package ringnode

import "os"

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
