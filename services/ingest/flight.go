package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/services/ingest/imap"
)

// whole is the largest mail that is held in memory while it is sealed, in bytes.
// Larger ones are sealed and stored as they stream in.
const whole = 256 << 10

// finishTimeout bounds how long a mail in hand may take when the service stops.
const finishTimeout = 2 * time.Minute

// How long one mail may take before it is given up for the moment. A store or a keyring that
// never answers must not hold a mailbox for ever.
const (
	mailTimeout   = 5 * time.Minute // sealing, storing and registering
	streamTimeout = 2 * time.Hour   // of a mail that streams in, too
)

// errSize says that a mail is not as long as the server had said.
var errSize = errors.New("mail: size differs from what the server announced")

// errLong says so of a mail that is over the limit, whatever was announced.
var errLong = fmt.Errorf("%w: and is over the limit", errSize)

// errDiffers says that two sessions gave other bytes for the same mail.
var errDiffers = fmt.Errorf("%w: and two sessions gave other bytes", errSize)

// errWithheld says that the server lists a mail and does not hand it over.
var errWithheld = errors.New("mail: listed and not handed over")

// A flight is the mails of one cycle that are on their way.
type flight struct {
	folder *folder
	cursor *cursor
	where  mark
	mails  sync.WaitGroup
	// session ends with the service; work outlives it for the mails in hand.
	session context.Context
	work    context.Context
	cancel  func()
	came    map[uint32]bool // bodies that the server handed over
	next    func() error    // goes on with the body that came last, once its answer has ended
	drop    func()          // does not

	mu       sync.Mutex
	err      error
	bad      map[uint32]bool // mails that were not taken
	clashes  bool            // an id stands for another mail
	repeated bool            // something is to be tried again at once
}

func newFlight(ctx context.Context, f *folder, cursor *cursor, where mark) *flight {
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(finishTimeout, end)
		context.AfterFunc(work, func() { timer.Stop() })
	})
	cancel := func() { stop(); end() }
	return &flight{folder: f, cursor: cursor, where: where, session: ctx, work: work, cancel: cancel, came: map[uint32]bool{}, bad: map[uint32]bool{}}
}

// buffers are what one small mail needs: itself, and itself sealed.
type buffers struct {
	plain  []byte
	sealed bytes.Buffer
}

// forget overwrites the mail itself.
func (b *buffers) forget() {
	clear(b.plain)
	b.plain = b.plain[:0]
}

// take is called with each body while the folder streams. It returns an error only
// where going on makes no sense.
func (w *flight) take(body *imap.Body) error {
	if err := w.stopped(); err != nil {
		return err
	}
	if w.came[body.UID] {
		return fmt.Errorf("%w: a body came twice", imap.ErrAnswer)
	}
	w.came[body.UID] = true
	var want []byte
	if body.Length != body.Size {
		var err error
		if want, err = w.weigh(body); want == nil {
			return err
		}
	}
	if body.Length > whole {
		return w.stream(body, want)
	}
	hands := w.folder.service.buffers.Get().(*buffers)
	if int64(cap(hands.plain)) < body.Length {
		hands.plain = make([]byte, 0, body.Length+body.Length/2)
	}
	hands.plain = hands.plain[:body.Length]
	if _, err := io.ReadFull(body, hands.plain); err != nil {
		hands.forget()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = imap.ErrCut
		}
		return err
	}
	w.drop = hands.forget
	w.next = func() error {
		if err := w.slot(w.folder.service.slots); err != nil {
			hands.forget()
			return err
		}
		w.mails.Go(func() {
			defer func() { <-w.folder.service.slots }()
			err := w.held(body.Mail, hands, want)
			hands.forget()
			if err == nil { // a store that failed may still be reading what was sealed
				hands.sealed.Reset()
				w.folder.service.buffers.Put(hands)
			}
			w.outcome(body.Mail, err)
		})
		return nil
	}
	return nil
}

// whole is called when the answer has ended that the last body came in. Before that nobody knows
// that the body is all of the mail: a length that is told wrong twice would make it a shorter one.
func (w *flight) whole(*imap.Body) error {
	next := w.next
	w.next, w.drop = nil, nil
	if next == nil { // it was dealt with as it came
		return nil
	}
	return next()
}

// end forgets a body whose answer did not end.
func (w *flight) end() {
	if w.drop != nil {
		w.drop()
	}
	w.next, w.drop = nil, nil
	w.cancel()
}

// stream seals and stores a body as it comes in; the rest is done beside.
func (w *flight) stream(body *imap.Body, want []byte) error {
	leave, err := w.folder.service.streams.enter(w.session)
	if err != nil {
		return err
	}
	streaming, cancel := context.WithTimeout(w.session, streamTimeout)
	defer cancel()
	attempt, err := w.folder.service.begin(streaming, w.folder, w.where, body.Mail)
	working := w.work
	if err == nil {
		attempt.want = want
		ctx, span := attempt.span(streaming)
		err = attempt.storeStream(ctx, body)
		endSpan(span, err)
		working = trace.ContextWithSpanContext(w.work, span.SpanContext()) // the event follows from it
	}
	leave()
	if err != nil {
		switch {
		case errors.Is(err, errSize):
			w.outcome(body.Mail, err)
			return nil
		case errors.Is(err, errPanicked):
			w.outcome(body.Mail, err) // and the session with it: nobody knows what was read
		}
		return err
	}
	w.next = func() error {
		if err := w.slot(w.folder.service.slots); err != nil {
			return err
		}
		w.mails.Go(func() {
			defer func() { <-w.folder.service.slots }()
			ctx, cancel := context.WithTimeout(working, mailTimeout)
			defer cancel()
			w.outcome(body.Mail, attempt.register(ctx))
		})
		return nil
	}
	return nil
}

// held seals, stores and registers a mail that is in memory.
func (w *flight) held(mail imap.Mail, hands *buffers, want []byte) (err error) {
	defer caught(&err)
	ctx, cancel := context.WithTimeout(w.work, mailTimeout)
	defer cancel()
	attempt, err := w.folder.service.begin(ctx, w.folder, w.where, mail)
	if err != nil {
		return err
	}
	attempt.want = want
	ctx, span := attempt.span(ctx)
	if err = attempt.storeWhole(ctx, hands); err == nil {
		err = attempt.register(ctx)
	}
	endSpan(span, err)
	return err
}

func (w *flight) slot(slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
		return nil
	case <-w.session.Done():
		return context.Cause(w.session)
	}
}

// weigh deals with a body that is not as long as was announced. Servers that compute sizes
// without writing the mail out are wrong about many (Exchange by default), so what counts is what
// comes: when two sessions give the same whole literal, byte for byte, that is the mail. It
// gives the digest of what came before, where its length is this one's; else it reads
// the body, keeps its digest for the next session to compare with, and gives none.
func (w *flight) weigh(body *imap.Body) (want []byte, err error) {
	if body.Length > w.folder.service.config.MaxSize.Bytes() {
		w.folder.weighed(body.UID, body.Length, nil)
		w.outcome(body.Mail, errLong)
		return nil, errLong // the rest is long and nobody's: the session ends
	}
	body.Admit()
	if want = w.folder.expected(body.UID, body.Length); want != nil {
		body.Size = body.Length
		return want, nil
	}
	digest := sha256.New()
	if _, err := io.CopyBuffer(onlyWriter{digest}, onlyReader{body}, make([]byte, copyBuffer)); err != nil {
		return nil, err
	}
	w.folder.weighed(body.UID, body.Length, digest.Sum(nil))
	w.outcome(body.Mail, errSize)
	return nil, nil
}

// outcome notes what became of a mail.
func (w *flight) outcome(mail imap.Mail, err error) {
	uid, meters, mailbox := mail.UID, w.folder.service.meters, w.folder.mailbox.config.ID
	if err == nil {
		w.done(uid)
		meters.mails.WithLabelValues(mailbox, "taken").Inc()
		meters.bytes.WithLabelValues(mailbox).Add(float64(mail.Size))
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad[uid] = true
	switch refusal, _ := keys.RefusalOf(err); {
	case refusal == keys.Conflict:
		w.clash(mail)
	// What is wrong with one mail holds up no other. An attempt that came too late is void; the
	// next one seals anew.
	case troubling(err), refusal == keys.Late, refusal == keys.ClosedBucket, refusal == keys.Malformed:
		w.folder.log.Warn("mail not taken yet", "uid", uid, "err", err)
		atOnce, note := w.folder.troubled(mail, err)
		w.repeated = atOnce || w.repeated || note.code != ""
		if note.tries > 2 {
			w.cursor.change(w.folder.name, func(m *mark) { m.keep(uid, note) })
		}
		meters.mails.WithLabelValues(mailbox, "delayed").Inc()
	default:
		if w.err == nil { // the others are likely to say the same
			w.err = err
		}
		meters.mails.WithLabelValues(mailbox, "failed").Inc()
	}
}

// clash deals with an id that stands for a mail of another size or date; mu is held. Only
// where a second session tells the same of the mail is it another one. A server that tells
// something else each time has one mail under the UID, and that is an item already.
func (w *flight) clash(mail imap.Mail) {
	before, session := w.folder.clashed(mail)
	switch {
	case session == 0:
		w.repeated = true
	case before.Size == mail.Size && before.Received.Equal(mail.Received):
		w.clashes = true
	default:
		w.folder.log.Error("the server never tells the same size and date of a mail: the item of its UID stands for it", "uid", mail.UID)
		w.done(mail.UID)
	}
}

func (w *flight) judged(uid uint32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bad[uid]
}

// done marks a UID as dealt with.
func (w *flight) done(uid uint32) {
	w.folder.untroubled(uid)
	w.cursor.change(w.folder.name, func(m *mark) { m.done.Add(uid) })
}

func (w *flight) stopped() error {
	if err := context.Cause(w.session); err != nil {
		return err
	}
	return w.failure()
}

// failure is what has failed so far, as one error.
func (w *flight) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *flight) conflict() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clashes
}

func (w *flight) again() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.repeated || w.clashes
}
