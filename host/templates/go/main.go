// Greets whoever comes for the third time, and misses whoever stays away for a week.
package main

import (
	"time"

	"questhost/quest"
)

// Visits is what it remembers of a context: of a user, say.
type Visits struct {
	Visits int
}

func init() {
	q := quest.New[Visits]("hello").Describe("Greets the third visit, misses who stays away")
	// The event that adds the quest to a context.
	q.AddOn("visited")
	q.Action("visit", (*Visits).Visit).On("visited")
	q.Action("miss", (*Visits).Miss)
	q.Query("total", (*Visits).Total)
}

func (v *Visits) Visit() error {
	v.Visits++
	if v.Visits == 3 {
		if err := quest.Publish("welcome-back", v.Visits); err != nil {
			return err
		}
	}
	// A timer. Set again it moves.
	return quest.TimerAfter("absent", 7*24*time.Hour, "miss", nil)
}

// Miss is called by the timer.
func (v *Visits) Miss() error { return quest.Publish("missed-you", v.Visits) }

// Total reads and answers: quest-host query ada hello total
func (v *Visits) Total() int { return v.Visits }

func main() {}
