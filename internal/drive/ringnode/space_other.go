//go:build !(linux || darwin || freebsd)

package ringnode

import "errors"

// freeSpace is not known here: a full disk shows when a transaction fails.
func freeSpace(string) (int64, error) { return 0, errors.ErrUnsupported }
