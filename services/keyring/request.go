package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/keys"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A call is a request that was found to be its caller's.
type call struct {
	service   string
	operation string
	nonce     []byte
	body      []byte
	bodies    [][]byte // of several requests that came together; body is empty then
}

// rightsOf gives, for each public nkey, the operations it may ask for, by the same data
// from which the server's permissions are made.
func rightsOf(callers map[string]string) (map[string]map[string]bool, error) {
	rights := make(map[string]map[string]bool, len(callers))
	for nkey, name := range callers {
		service, known := topology.ServiceNamed(name)
		if !known {
			return nil, fmt.Errorf("keyring: caller %s is no service", name)
		}
		may := make(map[string]bool, len(service.Asks))
		for _, operation := range service.Asks {
			may[operation] = true
		}
		rights[nkey] = may
	}
	return rights, nil
}

func subjectOf(operation string) string { return keys.Subject + operation }

// openOperations are what every keyring serves, writeOperations what only the writer does.
func openOperations() []string {
	var out []string
	for _, operation := range topology.Operations {
		if isOpen(operation) || operation == keys.OpStatus {
			out = append(out, operation)
		}
	}
	return out
}

func writeOperations() []string {
	var out []string
	for _, operation := range topology.Operations {
		if !isOpen(operation) && operation != keys.OpStatus {
			out = append(out, operation)
		}
	}
	return out
}

func isOpen(operation string) bool { return strings.HasPrefix(operation, keys.OpOpen) }

// nightly are the operations that wait for others to let go of keys, and so must not keep
// anybody waiting themselves.
var nightly = map[string]bool{
	keys.OpClose: true, keys.OpDestroy: true, keys.OpErase: true, keys.OpForget: true, keys.OpAttest: true,
}

// refuse is a refusal with one of our own sentences beside it.
func refuse(code keys.Refusal, detail string) error { return &refused{code: code, detail: detail} }

type refused struct {
	code   keys.Refusal
	detail string
}

func (r *refused) Error() string { return string(r.code) + ": " + r.detail }
func (r *refused) Unwrap() error { return r.code }

// handler answers requests of one operation. An error is no answer: the caller asks again.
func (s *Service) handler(operation string) Handler {
	return func(ctx context.Context, request []byte) ([]byte, error) {
		c, err := s.authenticate(operation, request)
		if err != nil {
			s.log.Warn("keyring request refused", "operation", operation, "code", codeOf(err))
			return answer(nil, err)
		}
		if len(c.bodies) > 0 {
			s.ops.RLock()
			defer s.ops.RUnlock()
			return s.several(ctx, c)
		}
		body, err := s.held(ctx, c)
		if reader := s.reading.Load(); reader != nil && errors.Is(err, errUnseen) {
			if err := reader.look(ctx); err != nil {
				return nil, err
			}
			body, err = s.held(ctx, c)
		}
		if _, refused := keys.RefusalOf(err); err != nil && !refused {
			return nil, err
		}
		return answer(body, err)
	}
}

// held is one, with the state that it uses held fast.
func (s *Service) held(ctx context.Context, c *call) (proto.Message, error) {
	if !nightly[c.operation] {
		s.ops.RLock()
		defer s.ops.RUnlock()
	}
	return s.one(ctx, c)
}

// one does what a call asks for.
func (s *Service) one(ctx context.Context, c *call) (proto.Message, error) {
	body, err := s.do(ctx, c)
	if code, refused := keys.RefusalOf(err); refused {
		s.log.Info("keyring request refused", "operation", c.operation, "service", c.service, "code", code)
	} else if err != nil {
		s.log.Error("keyring request ended without an answer", "operation", c.operation, "service", c.service, "err", err)
	}
	return body, err
}

// abreast is how many of the requests that came together are worked on at once.
const abreast = 32

// several answers requests that came together, each for itself: one that has no answer, or
// whose answer has no room beside the others, is to be asked again alone.
func (s *Service) several(ctx context.Context, c *call) ([]byte, error) {
	out := &keyringv1.Answer{Answers: make([]*keyringv1.Answer, len(c.bodies))}
	err := inParallel(ctx, abreast, len(c.bodies), func(ctx context.Context, i int) error {
		body, err := s.one(ctx, &call{service: c.service, operation: c.operation, nonce: c.nonce, body: c.bodies[i]})
		if _, refused := keys.RefusalOf(err); err != nil && !refused {
			out.Answers[i] = &keyringv1.Answer{Alone: true}
			return nil
		}
		out.Answers[i], err = answerOf(body, err)
		return err
	})
	if err != nil {
		return nil, err
	}
	room := keys.MaxAnswerBytes
	for i, one := range out.Answers {
		size := proto.Size(one) + 8
		if size > room {
			out.Answers[i] = &keyringv1.Answer{Alone: true}
			continue
		}
		room -= size
	}
	return proto.Marshal(out)
}

func codeOf(err error) string {
	code, _ := keys.RefusalOf(err)
	return string(code)
}

func answer(body proto.Message, err error) ([]byte, error) {
	out, err := answerOf(body, err)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(out)
}

func answerOf(body proto.Message, err error) (*keyringv1.Answer, error) {
	out := new(keyringv1.Answer)
	var r *refused
	if errors.As(err, &r) {
		out.Refusal, out.Detail = string(r.code), r.detail
	} else if code, is := keys.RefusalOf(err); is {
		out.Refusal = string(code)
	}
	if body != nil {
		var err error
		if out.Body, err = proto.Marshal(body); err != nil {
			return nil, fmt.Errorf("answer: %w", err)
		}
	}
	return out, nil
}

// authenticate checks who asks, whether they may, and that the request is new.
func (s *Service) authenticate(operation string, request []byte) (*call, error) {
	var signed keyringv1.Signed
	if err := proto.Unmarshal(request, &signed); err != nil {
		return nil, refuse(keys.Malformed, "the request is not a Signed")
	}
	// The subject decides what is done; the signature must be for the same.
	if signed.Operation != operation {
		return nil, refuse(keys.Forbidden, "the request is signed for another operation")
	}
	may, known := s.rights[signed.Caller]
	if !known {
		return nil, refuse(keys.Forbidden, "the nkey belongs to no service")
	}
	if !may[operation] {
		return nil, refuse(keys.Forbidden, "the service may not ask for this operation")
	}
	if err := keys.Verify(&signed); err != nil {
		return nil, refuse(keys.Forbidden, "the signature is not the caller's")
	}
	now := s.now()
	if off := now.Sub(signed.Time.AsTime()).Abs(); off > s.cfg.RequestSkew.Std() {
		return nil, refuse(keys.StaleRequest, "the request's time is too far from the keyring's")
	}
	if !s.nonces.fresh(string(signed.Nonce), now) {
		return nil, refuse(keys.Replayed, "the nonce was used before")
	}
	if len(signed.Bodies) > 0 && (len(signed.Body) > 0 || len(signed.Bodies) > keys.MaxBodies || !keys.Shared(operation)) {
		return nil, refuse(keys.Malformed, "the request carries several bodies and may not")
	}
	return &call{service: s.cfg.Callers[signed.Caller], operation: operation, nonce: signed.Nonce, body: signed.Body, bodies: signed.Bodies}, nil
}

// read reads a request's body.
func read[M proto.Message](c *call, into M) (M, error) {
	if err := proto.Unmarshal(c.body, into); err != nil {
		return into, refuse(keys.Malformed, "the body is not of the operation")
	}
	return into, nil
}

// act begins an audit act for a call.
func (s *Service) act(c *call, action, actor string) *auditv1.Act {
	if actor == "" {
		actor = "worker:" + c.service
	}
	return &auditv1.Act{
		Id: newActID(), Time: timestamppb.New(s.now()), Service: c.service, Actor: actor, Action: action, Outcome: "allowed",
	}
}

// nonces remembers nonces for as long as their requests could pass for new.
type nonces struct {
	mu     sync.Mutex
	keep   time.Duration
	recent map[string]bool // seen since turned
	former map[string]bool // seen in the span before
	turned time.Time
}

func newNonces(keep time.Duration) *nonces {
	return &nonces{keep: keep, recent: map[string]bool{}, former: map[string]bool{}}
}

// fresh tells whether a nonce is new, and remembers it.
func (n *nonces) fresh(nonce string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.turned) > n.keep {
		if now.Sub(n.turned) > 2*n.keep {
			n.recent = map[string]bool{}
		}
		n.former, n.recent, n.turned = n.recent, map[string]bool{}, now
	}
	if n.recent[nonce] || n.former[nonce] {
		return false
	}
	n.recent[nonce] = true
	return true
}
