// The conformance quest (tests/conformance/README.md), in Go: it does what it is told.
package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"questhost/quest"
)

type call []any

// An argument of the script, which has the right ones.
func arg[T any](c call, n int) T {
	if n >= len(c) {
		var none T
		return none
	}
	given, _ := c[n].(T)
	return given
}

func (c call) text(n int) string    { return arg[string](c, n) }
func (c call) number(n int) int64   { return arg[int64](c, n) }
func (c call) value(n int) any      { return arg[any](c, n) }
func (c call) time(n int) time.Time { return time.UnixMilli(c.number(n)) }

func gives(value any) (any, error) { return value, nil }
func does(err error) (any, error)  { return nil, err }

func whether(is bool, err error) (any, error) { return is, err }

// What was put there, or nothing.
func put(read func(any) (bool, error)) (any, error) {
	var to any
	_, err := read(&to)
	return to, err
}

func list(bytes []byte) []int {
	items := make([]int, len(bytes))
	for i, each := range bytes {
		items[i] = int(each)
	}
	return items
}

func setBytes(name string, items []any) (any, error) {
	bytes := make([]byte, len(items))
	for i, item := range items {
		bytes[i] = byte(item.(int64))
	}
	return does(quest.Set(name, bytes))
}

func getBytes(name string) (any, error) {
	var bytes []byte
	_, err := quest.Get(name, &bytes)
	return list(bytes), err
}

func deeper(n int) int { return 1 + deeper(n+1) }

var filled [][]byte

func fill() {
	for {
		filled = append(filled, make([]byte, 1<<20))
	}
}

var levels = map[string]func(...any){"debug": quest.Debug, "info": quest.Info, "warn": quest.Warn, "error": quest.Err}

var calls = map[string]func(c call) (any, error){
	"current.quest":       func(call) (any, error) { return gives(quest.QuestName()) },
	"current.action":      func(call) (any, error) { return gives(quest.ActionName()) },
	"current.context":     func(call) (any, error) { return gives(quest.Context()) },
	"current.event-name":  func(call) (any, error) { return gives(quest.EventName()) },
	"current.cause":       func(call) (any, error) { return gives(quest.Cause()) },
	"current.accepted-at": func(call) (any, error) { return gives(quest.AcceptedAt().UnixMilli()) },
	"current.attempt":     func(call) (any, error) { return gives(quest.Attempt()) },
	"current.missed":      func(call) (any, error) { return gives(quest.Missed()) },
	"current.has-ids": func(call) (any, error) {
		return gives(quest.Instance() != "" && quest.EventID() != "" && !quest.ProcessedAt().Before(quest.AcceptedAt()) &&
			time.Now().Equal(quest.AcceptedAt()))
	},
	"current.field": func(c call) (any, error) {
		return put(func(to any) (bool, error) { return quest.Field(c.text(1), to) })
	},
	"variables.get":       func(c call) (any, error) { return put(func(to any) (bool, error) { return quest.Get(c.text(1), to) }) },
	"variables.set":       func(c call) (any, error) { return does(quest.Set(c.text(1), c.value(2))) },
	"variables.remove":    func(c call) (any, error) { return whether(quest.Remove(c.text(1))) },
	"variables.names":     func(call) (any, error) { return gives(quest.Names()) },
	"variables.set-bytes": func(c call) (any, error) { return setBytes(c.text(1), arg[[]any](c, 2)) },
	"variables.get-bytes": func(c call) (any, error) { return getBytes(c.text(1)) },
	"variables.set-nan":   func(c call) (any, error) { return does(quest.Set(c.text(1), math.NaN())) },
	"timers.at":           func(c call) (any, error) { return does(quest.TimerAt(c.text(1), c.time(3), c.text(2), c.value(4))) },
	"timers.after": func(c call) (any, error) {
		return does(quest.TimerAfter(c.text(1), time.Duration(c.number(3))*time.Millisecond, c.text(2), c.value(4)))
	},
	"timers.every":  func(c call) (any, error) { return does(quest.TimerEvery(c.text(1), c.text(3), c.text(2), c.value(4))) },
	"timers.cancel": func(c call) (any, error) { return whether(quest.TimerCancel(c.text(1))) },
	"timers.names":  func(call) (any, error) { return gives(quest.TimerNames()) },
	"timers.due": func(c call) (any, error) {
		due, isSet := quest.TimerDue(c.text(1))
		if !isSet {
			return nil, nil
		}
		return due.UnixMilli(), nil
	},
	"timers.payload": func(c call) (any, error) {
		return put(func(to any) (bool, error) { return quest.TimerPayload(c.text(1), to) })
	},
	"timers.schedule": func(c call) (any, error) {
		schedule, isSet := quest.TimerSchedule(c.text(1))
		if !isSet {
			return nil, nil
		}
		return schedule, nil
	},
	"patterns.start":  func(c call) (any, error) { return does(quest.PatternStart(c.text(1), c.value(2))) },
	"patterns.cancel": func(c call) (any, error) { return whether(quest.PatternCancel(c.text(1))) },
	"patterns.names":  func(call) (any, error) { return gives(quest.PatternNames()) },
	"patterns.state": func(c call) (any, error) {
		return put(func(to any) (bool, error) { return quest.PatternState(c.text(1), to) })
	},
	"clock.zone":     func(call) (any, error) { return gives(quest.Zone()) },
	"clock.set-zone": func(c call) (any, error) { return does(quest.SetZone(c.text(1))) },
	"clock.local":    func(c call) (any, error) { return gives(quest.Local(c.time(1))) },
	"clock.instant": func(c call) (any, error) {
		at, err := quest.Instant(c.text(1))
		return at.UnixMilli(), err
	},
	"events.emit":      func(c call) (any, error) { return does(quest.Emit(c.text(1), c.text(2), c.value(3))) },
	"events.send":      func(c call) (any, error) { return does(quest.Send(c.text(1), c.text(2), c.text(3), c.value(4))) },
	"events.broadcast": func(c call) (any, error) { return does(quest.Broadcast(c.text(1), c.value(2))) },
	"quests.add":       func(c call) (any, error) { return does(quest.AddQuest(c.text(1), c.text(2))) },
	"quests.remove":    func(c call) (any, error) { return does(quest.RemoveQuest(c.text(1), c.text(2))) },
	"quests.active":    func(call) (any, error) { return gives(quest.ActiveQuests()) },
	"messages.publish": func(c call) (any, error) { return does(quest.Publish(c.text(1), c.value(2))) },
	"config.get": func(c call) (any, error) {
		setting, isSet := quest.Config(c.text(1))
		if !isSet {
			return nil, nil
		}
		return setting, nil
	},
	"log.write": func(c call) (any, error) { levels[c.text(1)](c.text(2)); return nil, nil },
	"print":     func(c call) (any, error) { fmt.Println(c.text(1)); return nil, nil },
	"random.below": func(c call) (any, error) {
		return gives(quest.RandomBelow(uint32(c.number(1))))
	},
	"random.unit": func(call) (any, error) {
		drawn, native := quest.RandomUnit(), rand.Float64()
		return gives(drawn >= 0 && drawn < 1 && native >= 0 && native < 1)
	},
	"random.bytes": func(c call) (any, error) { return gives(len(quest.RandomBytes(uint32(c.number(1))))) },
	"fail":         func(c call) (any, error) { return does(quest.Fail(c.text(1), c.text(2))) },
	"transient":    func(c call) (any, error) { return does(quest.Transient(c.text(1))) },
	"remember":     func(c call) (any, error) { before := remembered; remembered = c.text(1); return before, nil },
	"trap":         func(call) (any, error) { var nothing *call; return (*nothing)[0], nil },
	"loop": func(call) (any, error) {
		for {
		}
	},
	"recurse": func(call) (any, error) { return gives(deeper(1)) },
	"fill":    func(call) (any, error) { fill(); return nil, nil },
}

// Kept by the program, not by the quest.
var remembered any

func perform(c call) (any, error) {
	known := calls[c.text(0)]
	if known == nil {
		return does(quest.Fail("unknown-call", c.text(0)))
	}
	return known(c)
}

// Makes the calls; a refusal is what one gave, where it is caught.
func each(all []call, isCaught bool) ([]any, error) {
	given := []any{}
	for _, c := range all {
		value, err := perform(c)
		var refusal *quest.Error
		if err != nil && (!isCaught || c.text(0) == "fail" || c.text(0) == "transient" || !errors.As(err, &refusal)) {
			return nil, err
		}
		if err != nil {
			value = map[string]string{"error": refusal.Code}
		}
		given = append(given, value)
	}
	return given, nil
}

func told(all []call, isCaught bool) ([]any, error) {
	given, err := each(all, isCaught)
	if err != nil {
		return nil, err
	}
	return given, quest.Publish("did", given)
}

type noted struct {
	Name, Cause string
	Payload     any
	Missed      int
}

// Conformance has no variables of its own: they are read and written by name.
type Conformance struct{}

func (*Conformance) Do(all []call) ([]any, error)    { return told(all, true) }
func (*Conformance) Raise(all []call) ([]any, error) { return told(all, false) }
func (*Conformance) Ask(all []call) ([]any, error)   { return each(all, true) }
func (*Conformance) Note(payload any) error {
	return quest.Publish("noted", noted{quest.EventName(), quest.Cause(), payload, quest.Missed()})
}
func (*Conformance) Init() error            { return quest.Publish("init", nil) }
func (*Conformance) Dealloc() error         { return quest.Publish("gone", nil) }
func (*Conformance) Upgrade(from int) error { return quest.Publish("upgraded", from) }

func init() {
	one := quest.New[Conformance]("conformance").Describe("does what it is told").Version(2).AddOn("begin").
		Init((*Conformance).Init).Dealloc((*Conformance).Dealloc).Upgrade((*Conformance).Upgrade).
		Pattern("pair", `{"kind": "within", "after": "a", "expect": "b", "within": "10 minutes", "action": "note", "else": "note"}`)
	one.Action("do", (*Conformance).Do).On("do")
	one.Action("raise", (*Conformance).Raise).On("raise")
	one.Action("note", (*Conformance).Note).On("note").Every("every day at 09:00")
	one.Query("ask", (*Conformance).Ask)

	two := quest.New[Conformance]("conformance-two").AddOn("two").Init((*Conformance).Init)
	two.Action("do", (*Conformance).Do).On("two")
}

func main() {}
