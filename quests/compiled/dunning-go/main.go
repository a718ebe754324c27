// A subscription whose payment failed: the payment is tried again after one, three and seven days, then the subscription is suspended.
// The context is the subscription.
package main

import (
	"fmt"
	"time"

	"questhost/quest"
)

var waits = []time.Duration{day, 3 * day, 7 * day}

const day = 24 * time.Hour

type Dunning struct {
	// The invoice that is open; empty: all is paid.
	Invoice string
	Cents   int64
	// How often its payment failed.
	Failures int
}

type Failure struct {
	Invoice string
	Cents   int64
	Reason  string
}

func init() {
	dunning := quest.New[Dunning]("dunning").Describe("Tries failed payments again, then suspends").AddOn("payment-failed")
	dunning.Action("failed", (*Dunning).Failed).On("payment-failed")
	dunning.Action("paid", (*Dunning).Paid).On("payment-succeeded")
	dunning.Action("retry", (*Dunning).Retry)
	dunning.Query("state", (*Dunning).State)
}

func (d *Dunning) Failed(failure Failure) error {
	if failure.Invoice == "" || failure.Cents <= 0 {
		return quest.Fail("bad-payment", fmt.Sprintf("a failed payment names its invoice and its cents, not %+v", failure))
	}
	if d.Invoice != "" && d.Invoice != failure.Invoice {
		return quest.Fail("other-invoice", "invoice "+d.Invoice+" is still open")
	}
	d.Invoice, d.Cents = failure.Invoice, failure.Cents
	if d.Failures == len(waits) {
		if err := quest.Publish("suspended", d.Invoice); err != nil {
			return err
		}
		return quest.RemoveQuest("dunning", quest.Context())
	}
	wait := waits[d.Failures]
	d.Failures++
	mail := map[string]any{"invoice": d.Invoice, "cents": d.Cents, "reason": failure.Reason, "failures": d.Failures}
	if err := quest.Publish("ask-for-another-card", mail); err != nil {
		return err
	}
	return quest.TimerAfter("retry", wait, "retry", nil)
}

// Retry asks for the payment: what comes of it is the next event.
func (d *Dunning) Retry() error {
	return quest.Publish("charge", map[string]any{"invoice": d.Invoice, "cents": d.Cents, "key": quest.EventID()})
}

func (d *Dunning) Paid(invoice string) error {
	if invoice != d.Invoice {
		return nil
	}
	return quest.RemoveQuest("dunning", quest.Context())
}

func (d *Dunning) State() map[string]any {
	due, isWaiting := quest.TimerDue("retry")
	state := map[string]any{"invoice": d.Invoice, "failures": d.Failures}
	if isWaiting {
		state["retry"] = due.Format(time.RFC3339)
	}
	return state
}

func main() {}
