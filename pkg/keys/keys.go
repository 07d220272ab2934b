// Package keys asks the keyring: it is the client of every request of keyring.v1 but
// opening, which is seal/open's, and the one place where requests are signed and their
// signatures checked (Ed25519, RFC 8032, by the service's nkey). It holds no keys of mail.
package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// Subject is what every request's subject begins with.
const Subject = "keyring.v1."

// The operations, as they stand in subjects and in signed requests.
const (
	OpRegister   = "register"
	OpFile       = "file"
	OpLayers     = "layers"
	OpTicket     = "ticket"
	OpSetAside   = "setaside"
	OpRetry      = "retry"
	OpRejudge    = "rejudge"
	OpEnrol      = "enrol"
	OpHold       = "hold"
	OpRelease    = "release"
	OpClose      = "close"
	OpDestroy    = "destroy"
	OpErase      = "erase"
	OpForget     = "forget"
	OpAttest     = "attest"
	OpJournalled = "journalled"
	OpStatus     = "status"
	OpOpen       = "open." // followed by the purpose
)

// The purposes of opening.
const (
	ForVerify     = "verify"
	ForScan       = "scan"
	ForSanitize   = "sanitize"
	ForRescan     = "rescan"    // the files that agents could open, when signatures have changed
	ForReplay     = "replay"    // repeating a verdict in somebody's name
	ForCard       = "card"      // a worker's look at who a customer is
	ForCustomer   = "customer"  // a person's
	ForDirectory  = "directory" // the key of the tokens by which customers are found
	ForRead       = "read"
	ForReveal     = "reveal"
	ForBreakglass = "breakglass"
	ForRebuild    = "rebuild"
)

// MaxDetails is the most bytes of sealed findings that the keyring takes with a filing.
const MaxDetails = 256 << 10

// MaxEvidence is the most bytes of sealed evidence that the keyring takes with a filing.
const MaxEvidence = 128 << 10

// A Refusal is the keyring's no, as a code. It is an outcome: the keyring is well and
// asking again in the same way gives the same answer, but for those that Passing names.
type Refusal string

const (
	UnknownItem   Refusal = "unknown_item"   // no record of that id
	NotPresent    Refusal = "not_present"    // the item has no such layer
	Destroyed     Refusal = "destroyed"      // the layer was erased or destroyed
	WrongLayer    Refusal = "wrong_layer"    // the bucket, or the purpose, is of another layer
	Forbidden     Refusal = "forbidden"      // this service may not do this
	StaleRequest  Refusal = "stale_request"  // the request's time is too far from the keyring's clock
	Replayed      Refusal = "replayed"       // the request was seen before
	Late          Refusal = "late"           // the attempt began too long ago: begin anew
	Conflict      Refusal = "conflict"       // the id is taken by something else
	ClosedBucket  Refusal = "closed_bucket"  // the bucket takes nothing any more
	Held          Refusal = "held"           // a hold forbids it
	Malformed     Refusal = "malformed"      // the request breaks the contract
	PlanDiffers   Refusal = "plan_differs"   // the keyring's own list is not the plan's
	JournalBehind Refusal = "journal_behind" // the journal has yet to be written
	InUse         Refusal = "in_use"         // a keyring may still hold the key, or the work is under way
)

// Error is the code with its subject.
func (r Refusal) Error() string { return "keyring refused: " + string(r) }

// Passing says whether the same wish may be granted when time has passed.
func (r Refusal) Passing() bool {
	switch r {
	case StaleRequest, Replayed, Late, JournalBehind, InUse:
		return true
	}
	return false
}

// RefusalOf gives the refusal within an error.
func RefusalOf(err error) (Refusal, bool) {
	var r Refusal
	ok := errors.As(err, &r)
	return r, ok
}

// A Requester sends a request on a subject and returns its answer.
type Requester interface {
	// Request must return an error where no answer came. Whether the request had its
	// effect is then unknown.
	Request(ctx context.Context, subject string, body []byte) ([]byte, error)
}

// A RequesterFunc is a Requester.
type RequesterFunc func(ctx context.Context, subject string, body []byte) ([]byte, error)

// Request calls the function.
func (f RequesterFunc) Request(ctx context.Context, subject string, body []byte) ([]byte, error) {
	return f(ctx, subject, body)
}

// A Clock tells the time of the system.
type Clock interface{ Now() time.Time }

// A Client asks the keyring in the name of one service. It may be used by many goroutines.
type Client struct {
	bus    Requester
	signer *Signer
	clock  Clock
	lines  map[string]*line // of the operations that share requests
}

// NewClient makes a client that signs with a service's nkey.
func NewClient(bus Requester, signer *Signer, clock Clock) *Client {
	c := &Client{bus: bus, signer: signer, clock: clock, lines: make(map[string]*line)}
	for _, operation := range shared {
		c.lines[operation] = &line{client: c, operation: operation}
	}
	return c
}

// Ask sends one operation and reads its answer into out. The request's nonce is returned:
// answers to opens are bound to it. Where the keyring refuses, out holds what the refusal
// carried and the error is a Refusal.
func (c *Client) Ask(ctx context.Context, operation string, body, out proto.Message) (nonce []byte, err error) {
	raw, err := proto.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("keyring %s: %w", operation, err)
	}
	signed, answer, err := c.send(ctx, &keyringv1.Signed{Operation: operation, Body: raw})
	if err != nil {
		return nil, err
	}
	if err := readAnswer(operation, answer, out); err != nil {
		return nil, err
	}
	return signed.Nonce, nil
}

// send signs a request and gives its answer.
func (c *Client) send(ctx context.Context, wish *keyringv1.Signed) (*keyringv1.Signed, *keyringv1.Answer, error) {
	signed := c.signer.sign(wish, c.clock.Now())
	request, err := proto.Marshal(signed)
	if err != nil {
		return nil, nil, fmt.Errorf("keyring %s: %w", wish.Operation, err)
	}
	reply, err := c.bus.Request(ctx, Subject+wish.Operation, request)
	if err != nil {
		return nil, nil, fmt.Errorf("keyring %s: %w", wish.Operation, err)
	}
	answer := new(keyringv1.Answer)
	if err := proto.Unmarshal(reply, answer); err != nil {
		return nil, nil, fmt.Errorf("keyring %s: answer: %w", wish.Operation, err)
	}
	return signed, answer, nil
}

// readAnswer reads what an answer carries; a refusal carries something too.
func readAnswer(operation string, answer *keyringv1.Answer, out proto.Message) error {
	if err := proto.Unmarshal(answer.Body, out); err != nil {
		return fmt.Errorf("keyring %s: answer's body: %w", operation, err)
	}
	switch {
	case answer.Refusal == "":
		return nil
	case answer.Detail == "":
		return fmt.Errorf("%s: %w", operation, Refusal(answer.Refusal))
	}
	return fmt.Errorf("%s: %w: %s", operation, Refusal(answer.Refusal), answer.Detail)
}

// AnswerWithin is how long any other operation may take, whatever time the caller has: a lost
// answer must not hold a mail for as long as its whole work may take.
const AnswerWithin = 20 * time.Second

// Patience is how long an operation that waits for others (the journal, other keyrings'
// memory, a scan of all records) may take where the caller's context has no deadline.
const Patience = 5 * time.Minute

// patient are those operations.
var patient = map[string]bool{
	OpHold: true, OpRelease: true, OpClose: true, OpDestroy: true, OpErase: true, OpForget: true, OpAttest: true,
}

func ask[Out any, P interface {
	*Out
	proto.Message
}](ctx context.Context, c *Client, operation string, body proto.Message) (P, error) {
	limit := AnswerWithin
	if patient[operation] {
		limit = Patience
	}
	if _, bounded := ctx.Deadline(); !patient[operation] || !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	out := P(new(Out))
	if err := c.ask(ctx, operation, body, out); err != nil {
		if _, refused := RefusalOf(err); refused {
			return out, err
		}
		return nil, err
	}
	return out, nil
}

func (c *Client) ask(ctx context.Context, operation string, body, out proto.Message) error {
	if line := c.lines[operation]; line != nil {
		return line.ask(ctx, body, out)
	}
	_, err := c.Ask(ctx, operation, body, out)
	return err
}

// The operations below give the answer, or an error. Where the error is a Refusal the
// answer is not nil: a refused Layers carries the record with a berth to seal to anew.

// Register asks for a record at zero. A repeat gives the record that is there.
func (c *Client) Register(ctx context.Context, r *keyringv1.Register) (*keyringv1.Recorded, error) {
	return ask[keyringv1.Recorded](ctx, c, OpRegister, r)
}

// File fixes class, due dates and buckets.
func (c *Client) File(ctx context.Context, r *keyringv1.File) (*keyringv1.Recorded, error) {
	return ask[keyringv1.Recorded](ctx, c, OpFile, r)
}

// Layers adds the view and pii layers.
func (c *Client) Layers(ctx context.Context, r *keyringv1.Layers) (*keyringv1.Recorded, error) {
	return ask[keyringv1.Recorded](ctx, c, OpLayers, r)
}

// Ticket adds the ticket id and drops inline data from the record.
func (c *Client) Ticket(ctx context.Context, r *keyringv1.Ticket) (*keyringv1.Recorded, error) {
	return ask[keyringv1.Recorded](ctx, c, OpTicket, r)
}

// SetAside takes an item out of the flow.
func (c *Client) SetAside(ctx context.Context, r *keyringv1.SetAside) (*keyringv1.Recorded, error) {
	return ask[keyringv1.Recorded](ctx, c, OpSetAside, r)
}

// Retry takes up again what was set aside.
func (c *Client) Retry(ctx context.Context, r *keyringv1.Retry) (*keyringv1.Recorded, error) {
	return ask[keyringv1.Recorded](ctx, c, OpRetry, r)
}

// Rejudge notes what newer signatures say of an item's files.
func (c *Client) Rejudge(ctx context.Context, r *keyringv1.Rejudge) (*keyringv1.Recorded, error) {
	return ask[keyringv1.Recorded](ctx, c, OpRejudge, r)
}

// Enrol asks for the record of a customer.
func (c *Client) Enrol(ctx context.Context, r *keyringv1.Enrol) (*keyringv1.Recorded, error) {
	return ask[keyringv1.Recorded](ctx, c, OpEnrol, r)
}

// Hold keeps items past their due dates. It counts for the items in the answer.
func (c *Client) Hold(ctx context.Context, r *keyringv1.Hold) (*keyringv1.Forgotten, error) {
	return ask[keyringv1.Forgotten](ctx, c, OpHold, r)
}

// Release lifts a hold.
func (c *Client) Release(ctx context.Context, r *keyringv1.Release) (*keyringv1.Forgotten, error) {
	return ask[keyringv1.Forgotten](ctx, c, OpRelease, r)
}

// Close stops wraps into buckets whose last day lies before a day, and names all closed ones.
func (c *Client) Close(ctx context.Context, r *keyringv1.Close) (*keyringv1.Closed, error) {
	return ask[keyringv1.Closed](ctx, c, OpClose, r)
}

// Destroy takes the keys of exactly a plan's targets. It may be asked again until it answers.
func (c *Client) Destroy(ctx context.Context, r *keyringv1.Destroy) (*keyringv1.Forgotten, error) {
	return ask[keyringv1.Forgotten](ctx, c, OpDestroy, r)
}

// Erase removes the key packets of single items at once (stage 1).
func (c *Client) Erase(ctx context.Context, r *keyringv1.Erase) (*keyringv1.Forgotten, error) {
	return ask[keyringv1.Forgotten](ctx, c, OpErase, r)
}

// Forget does the nightly work (stage 2 of erasing).
func (c *Client) Forget(ctx context.Context) (*keyringv1.Forgotten, error) {
	return ask[keyringv1.Forgotten](ctx, c, OpForget, &keyringv1.Forget{})
}

// Attest asks for proof that buckets are gone.
func (c *Client) Attest(ctx context.Context, r *keyringv1.Attest) (*keyringv1.Attested, error) {
	return ask[keyringv1.Attested](ctx, c, OpAttest, r)
}

// Journalled tells how far the journal has been written and read back, by stream.
func (c *Client) Journalled(ctx context.Context, sequences map[string]uint64) error {
	_, err := ask[keyringv1.Status](ctx, c, OpJournalled, &keyringv1.Journalled{Sequences: sequences})
	return err
}

// Status asks how the keyring is.
func (c *Client) Status(ctx context.Context) (*keyringv1.Status, error) {
	return ask[keyringv1.Status](ctx, c, OpStatus, &keyringv1.Status{})
}

func newNonce() []byte {
	nonce := make([]byte, NonceSize)
	rand.Read(nonce) //nolint:errcheck // crypto/rand.Read never fails
	return nonce
}
