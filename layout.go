package eddy

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/eddy-p2p/eddy/metainfo"
	"github.com/eddy-p2p/eddy/storage"
)

// layOut returns where the files of a torrent belong below dir: a single file under its name, several in a directory of
// the torrent's name; all names made safe for this system.
func layOut(info *metainfo.Info, dir string) (root string, files []storage.FileSpec) {
	if dir == "" {
		dir = "."
	}
	paths := info.SafePaths(metainfo.HostTarget())
	files = make([]storage.FileSpec, len(info.Files))
	for i, f := range info.Files {
		files[i] = storage.FileSpec{Path: paths[i], Offset: f.Offset, Length: f.Length, Pad: f.Pad}
	}
	return dir, files
}

// locate finds the content at or below p: p is the content itself, or the directory that holds it under its name. It also
// returns the path of the content itself.
func locate(info *metainfo.Info, p string) (root, content string, files []storage.FileSpec, err error) {
	st, err := os.Stat(p)
	if err != nil {
		return "", "", nil, fmt.Errorf("looking for the content of %s: %w", info.Name, err)
	}
	root, files = layOut(info, p)
	if !st.IsDir() {
		if info.MultiFile {
			return "", "", nil, fmt.Errorf("the content of %s is a directory, but %s is a file", info.Name, p)
		}
		files[0].Path = filepath.Base(p)
		return filepath.Dir(p), p, files, nil
	}
	if !info.MultiFile || below(p, files) {
		name, _, _ := strings.Cut(files[0].Path, "/")
		return root, filepath.Join(p, name), files, nil
	}
	// The directory is the content itself, whatever its name: cut the torrent's name off the paths.
	for i := range files {
		if _, rest, ok := strings.Cut(files[i].Path, "/"); ok {
			files[i].Path = rest
		} else {
			files[i].Path = path.Base(files[i].Path)
		}
	}
	return p, p, files, nil
}

// below reports whether dir holds the torrent's own directory.
func below(dir string, files []storage.FileSpec) bool {
	for _, f := range files {
		if f.Pad {
			continue
		}
		name, _, _ := strings.Cut(f.Path, "/")
		st, err := os.Stat(filepath.Join(dir, name))
		return err == nil && st.IsDir()
	}
	return false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
