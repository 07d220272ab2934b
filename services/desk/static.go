package desk

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"time"
)

//go:embed page/*.html
var pageFiles embed.FS

//go:embed static
var staticFiles embed.FS

// A staticFile is one of our own files, named in pages by its content, so that browsers
// keep it for as long as it stays the same.
type staticFile struct {
	content []byte
	version string
}

func readStatic() (map[string]staticFile, error) {
	files := map[string]staticFile{}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		return nil, fmt.Errorf("desk files: %w", err)
	}
	for _, entry := range entries {
		content, err := fs.ReadFile(staticFiles, "static/"+entry.Name())
		if err != nil {
			return nil, fmt.Errorf("desk files: %w", err)
		}
		sum := sha256.Sum256(content)
		files[entry.Name()] = staticFile{content, hex.EncodeToString(sum[:6])}
	}
	return files, nil
}

func (web *Web) staticAddress(name string) string {
	return "/static/" + name + "?v=" + web.static[name].version
}

func (web *Web) staticFile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	file, ok := web.static[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.URL.Query().Get("v") == file.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(file.content))
}
