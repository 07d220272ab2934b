package scan

import (
	"container/list"
	"context"
	"crypto/sha256"
	"io"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/pkg/attachment"
)

// DefaultOpinions is how many opinions are remembered: some ten megabytes.
const DefaultOpinions = 50_000

// Opinions remember what a second opinion said of which bytes, for as long as the signatures that it
// rests on are in force. Nothing of it is ever written anywhere. Where the version of the signatures is
// not known, nothing is remembered and nothing recalled.
type Opinions struct {
	from     attachment.SecondOpinion
	versions Versions
	most     int

	mu      sync.Mutex
	version string // what all that is remembered rests on
	byFile  map[digest]*list.Element
	recent  *list.List // of *remembered; the one asked for last in front

	lookups *prometheus.CounterVec
}

// Versions tell which signatures are in force, as far as is known.
type Versions interface {
	// Current is the version, empty where it is not known. What is asked after Current has told of a version
	// must be judged with it or a newer one.
	Current() string
}

type digest = [sha256.Size]byte

type remembered struct {
	file    digest
	opinion attachment.Opinion
}

// NewOpinions remembers up to most opinions of from. Nothing is remembered where most is zero.
func NewOpinions(from attachment.SecondOpinion, versions Versions, most int, meters prometheus.Registerer) *Opinions {
	o := &Opinions{
		from: from, versions: versions, most: most, byFile: map[digest]*list.Element{}, recent: list.New(),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_scan_opinions_total", Help: "Second opinions on parts of mails: remembered, or asked for.",
		}, []string{"from"}),
	}
	for _, from := range []string{"memory", "clamd"} {
		o.lookups.WithLabelValues(from)
	}
	if meters != nil {
		meters.MustRegister(o.lookups)
	}
	return o
}

// Known is the opinion on a file that somebody says is the one in hand. It is as good as that word: whoever
// lies of their own file is told of another's.
func (o *Opinions) Known(file digest) (attachment.Opinion, bool) {
	version := o.versions.Current()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn(version)
	at, ok := o.byFile[file]
	if !ok {
		return attachment.Opinion{}, false
	}
	o.recent.MoveToFront(at)
	o.lookups.WithLabelValues("memory").Inc()
	return at.Value.(*remembered).opinion, true
}

// Scan asks, and remembers the answer under the digest of the bytes that it handed over.
func (o *Opinions) Scan(ctx context.Context, r io.Reader) (attachment.Opinion, error) {
	before := o.versions.Current()
	hash := sha256.New()
	whole := &toEnd{r: io.TeeReader(r, hash)}
	opinion, err := o.from.Scan(ctx, whole)
	o.lookups.WithLabelValues("clamd").Inc()
	if err != nil {
		return opinion, err
	}
	if whole.ended && lasting(opinion) {
		o.remember(digest(hash.Sum(nil)), opinion, before)
	}
	return opinion, nil
}

// lasting tells whether an opinion is about the file: not about what there was no room or time for.
func lasting(opinion attachment.Opinion) bool {
	return opinion.Verdict != attachment.Error && opinion.Verdict != attachment.Limit
}

func (o *Opinions) remember(file digest, opinion attachment.Opinion, before string) {
	after := o.versions.Current()
	if before == "" || before != after {
		return // nobody knows what it rests on
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn(after)
	if at, ok := o.byFile[file]; ok {
		at.Value.(*remembered).opinion = opinion
		o.recent.MoveToFront(at)
		return
	}
	if o.most < 1 {
		return
	}
	o.byFile[file] = o.recent.PushFront(&remembered{file, opinion})
	for o.recent.Len() > o.most {
		last := o.recent.Back()
		delete(o.byFile, last.Value.(*remembered).file)
		o.recent.Remove(last)
	}
}

// turn forgets everything when the version changes. The lock is held.
func (o *Opinions) turn(version string) {
	if version == o.version && version != "" {
		return
	}
	o.version = version
	clear(o.byFile)
	o.recent.Init()
}

// toEnd notes whether a source was read to its end.
type toEnd struct {
	r     io.Reader
	ended bool
}

func (t *toEnd) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.ended = t.ended || err == io.EOF
	return n, err
}
