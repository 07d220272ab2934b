package sanitize

import (
	"encoding/base64"
	"errors"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/picture"
)

// redraw has a picture drawn anew, while the mail's pixels last.
func (r *renderer) redraw(content []byte) (picture.Drawn, error) {
	if !picture.Is(content) {
		return picture.Drawn{}, picture.ErrNone
	}
	drawn, err := r.options.Artist.Redraw(content, int64(min(r.options.MaxPixels, r.options.MaxDrawn-r.drawn)))
	if errors.Is(err, picture.ErrLarge) {
		r.notice(ImagesLeftOut)
	}
	r.drawn += int(drawn.Pixels())
	return drawn, err
}

// inline lets the HTML show a drawn image by its content id, while there is room.
func (r *renderer) inline(id string, a *Attachment) {
	size := base64.StdEncoding.EncodedLen(len(a.Content))
	if _, taken := r.images[id]; taken || !utf8.ValidString(id) || r.inlined+size > r.options.MaxInline {
		return
	}
	r.inlined += size
	a.ContentID = id
	r.images[id] = "data:" + a.Type + ";base64," + base64.StdEncoding.EncodeToString(a.Content)
}
