package sanitize

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/picture"
	"github.com/postern-mail/postern/pkg/preview"
)

// An Artist draws what agents look at in place of files.
type Artist interface {
	// Redraw draws a picture of at most so many pixels anew. Its error is picture.ErrNone,
	// picture.ErrLarge, or another where nothing is known of the file.
	Redraw(content []byte, pixels int64) (picture.Drawn, error)
	// Pages draws the first pages of a document. Its error is one of pkg/preview's, or another
	// where nothing is known of the file.
	Pages(content []byte, kind string) (preview.Pages, error)
}

// A Hand draws in this process, and no documents.
type Hand struct{}

// Redraw is an Artist's.
func (Hand) Redraw(content []byte, pixels int64) (picture.Drawn, error) {
	return picture.Draw(content, pixels)
}

// Pages is an Artist's.
func (Hand) Pages([]byte, string) (preview.Pages, error) { return preview.Pages{}, preview.ErrProgram }

// Job is what a confined process does for this service: it draws one picture anew.
const Job = "picture"

// Decode is Job: the part that runs confined.
func Decode(_ context.Context, parts [][]byte, _ confine.Ask) ([][]byte, error) {
	var pixels int64
	if len(parts) != 2 || json.Unmarshal(parts[0], &pixels) != nil {
		return nil, errors.New("malformed_job")
	}
	drawn, err := picture.Draw(parts[1], pixels)
	content := drawn.Content
	drawn.Content = nil
	told, broken := json.Marshal(answer{drawn, errors.Is(err, picture.ErrLarge), err != nil})
	if broken != nil {
		return nil, errors.New("answer")
	}
	return [][]byte{told, content}, nil
}

type answer struct {
	Drawn picture.Drawn
	Large bool
	None  bool
}

// A Gallery draws in confined processes. Documents are drawn by a studio of its own; nil: by none.
type Gallery struct {
	Pool   *confine.Pool
	Studio *preview.Studio
}

// For gives the artist for one mail.
func (g Gallery) For(ctx context.Context) *Confined { return &Confined{gallery: g, ctx: ctx} }

// Confined is the Artist of one mail.
type Confined struct {
	gallery Gallery
	ctx     context.Context //nolint:containedctx // it lives as long as the rendering of one mail

	mu  sync.Mutex
	err error
}

// Err is why something could not be drawn that could be, another time: no process was to be had.
func (c *Confined) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// passing notes an error that says nothing of the file.
func (c *Confined) passing(err error) error {
	if err != nil && (errors.Is(err, confine.ErrNone) || c.ctx.Err() != nil) {
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
	}
	return err
}

// Redraw is an Artist's.
func (c *Confined) Redraw(content []byte, pixels int64) (picture.Drawn, error) {
	told, err := json.Marshal(pixels)
	if err != nil {
		return picture.Drawn{}, err
	}
	var drawn picture.Drawn
	var said error
	err = c.gallery.Pool.Do(c.ctx, confine.Task{Job: Job, Parts: [][]byte{told, content}, Read: func(results [][]byte) (err error) {
		drawn, said, err = read(results, pixels)
		return err
	}})
	if err != nil {
		return picture.Drawn{}, c.passing(err)
	}
	return drawn, said
}

// read gives what a child drew, or what it said of a file that it did not draw.
func read(results [][]byte, pixels int64) (drawn picture.Drawn, said, err error) {
	var a answer
	switch {
	case len(results) != 2 || json.Unmarshal(results[0], &a) != nil:
		return picture.Drawn{}, nil, errNoPicture
	case a.Large:
		return picture.Drawn{}, picture.ErrLarge, nil
	case a.None:
		return picture.Drawn{}, picture.ErrNone, nil
	}
	a.Drawn.Content = results[1]
	if picture.Check(a.Drawn) != nil || a.Drawn.Pixels() > pixels {
		return picture.Drawn{}, nil, errNoPicture
	}
	return a.Drawn, nil, nil
}

var errNoPicture = errors.New("it answers what is no picture")

// Pages is an Artist's.
func (c *Confined) Pages(content []byte, kind string) (preview.Pages, error) {
	if c.gallery.Studio == nil {
		return preview.Pages{}, preview.ErrProgram
	}
	pages, err := c.gallery.Studio.Draw(c.ctx, content, kind)
	return pages, c.passing(err)
}
