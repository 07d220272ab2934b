package desk

import (
	"context"
	"slices"
	"time"

	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// A Deletion is somebody's wish that a mail that is set aside be destroyed, and what retention
// has said to it.
type Deletion struct {
	Plan, Item  string
	By, Reason  string
	Time        time.Time
	Planned     bool   // its keys are taken, or are about to be
	Declined    string // the code of the reason why it is not done, "" where it is
	Certificate string // "" until everything is proven gone
}

// Open says whether retention has still to answer, or to finish.
func (d Deletion) Open() bool { return d.Declined == "" && d.Certificate == "" }

// Deletions is Retention.Deletions.
func (c *Custody) Deletions(ctx context.Context, item string, limit int) ([]Deletion, error) {
	var all []*Deletion
	by := map[string]*Deletion{}
	err := said(ctx, c, func(wished *retentionv1.Wished) {
		if item != "" && wished.GetItem() != item {
			return
		}
		all = append(all, &Deletion{Plan: wished.GetPlan(), Item: wished.GetItem(), By: wished.GetBy(), Reason: wished.GetReason(), Time: wished.GetTime().AsTime()})
		if len(all) > limit {
			delete(by, all[0].Plan)
			all = slices.Delete(all, 0, 1)
		}
		by[wished.GetPlan()] = all[len(all)-1]
	})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	err = said(ctx, c, func(planned *retentionv1.Planned) {
		if one := by[planned.GetPlan()]; one != nil {
			one.Planned = true
		}
	})
	if err != nil {
		return nil, err
	}
	err = said(ctx, c, func(withdrawn *retentionv1.Withdrawn) {
		if one := by[withdrawn.GetPlan()]; one != nil {
			one.Declined = withdrawn.GetCode()
		}
	})
	if err != nil {
		return nil, err
	}
	err = said(ctx, c, func(certified *retentionv1.Certified) {
		if one := by[certified.GetPlan()]; one != nil {
			one.Certificate = certified.GetCertificate()
		}
	})
	if err != nil {
		return nil, err
	}
	newest := make([]Deletion, len(all))
	for i, one := range all {
		newest[len(all)-1-i] = *one
	}
	return newest, nil
}

// CertificateOf is Retention.CertificateOf. A plan that took part of what it listed before it
// was overtaken has its certificate by another name; it is not found here.
func (c *Custody) CertificateOf(ctx context.Context, plan string) (string, error) {
	found := ""
	err := said(ctx, c, func(certified *retentionv1.Certified) {
		if certified.GetPlan() == plan {
			found = certified.GetCertificate()
		}
	})
	return found, err
}
