package verify

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mailauth"
	verifyv1 "github.com/postern-mail/postern/proto/verify/v1"
)

// Codes of why a verdict is not repeated.
const (
	EvidenceMalformed  = "malformed"
	EvidenceUnreadable = "evidence_unreadable"
)

// Replay repeats a verdict from the mail and what was kept of its judgement. It asks neither
// name servers nor anybody else, and its answer has no word of the mail.
func (w *Worker) Replay(ctx context.Context, request *verifyv1.Replay) (*verifyv1.Replayed, error) {
	if !event.IsItem(request.GetItem()) || request.GetActor() == "" || len(request.GetEvidence()) == 0 || len(request.GetEvidence()) > keys.MaxEvidence {
		return nil, fault.Final(EvidenceMalformed)
	}
	opened, err := w.desk.ReadFor(ctx, w.opener, keys.ForReplay, request.GetItem(), request.GetActor())
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	packed, err := opened.OpenBeside(request.GetEvidence(), keys.MaxEvidence)
	if err != nil {
		return nil, fault.FinalFor(err, EvidenceUnreadable) // of another mail, or changed
	}
	dossier, err := mailauth.ReadDossier(packed)
	if err != nil {
		return nil, fault.FinalFor(err, EvidenceUnreadable)
	}
	now, err := dossier.Judge(ctx, opened.Message)
	if err != nil {
		return nil, fault.FinalFor(err, EvidenceUnreadable)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &verifyv1.Replayed{
		Received:    timestamppb.New(dossier.At),
		Then:        &verifyv1.Verdict{Verdict: string(dossier.Result.Verdict), Reasons: dossier.Result.Reasons},
		Now:         &verifyv1.Verdict{Verdict: string(now.Verdict), Reasons: now.Reasons},
		Differences: dossier.Differences(now),
		Answers:     int32(len(dossier.Questions)),
		Known:       int32(len(dossier.Known)),
		Keys:        int32(dossier.Keys.Count()),
	}, nil
}
