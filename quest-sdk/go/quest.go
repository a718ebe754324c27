// Package quest is for quests in Go: docs/languages/go.md. A quest is a struct, its fields are its variables, its methods its actions.
//
//	type Counter struct{ Counter int }
//
//	func init() {
//		counter := quest.New[Counter]("my_example_quest")
//		counter.Action("my_action", (*Counter).MyAction).On("test_event")
//	}
//
//	func (c *Counter) MyAction() { c.Counter++ }
//
//	func main() {}
package quest

import (
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"

	"questhost/quest/internal/bindings/quest_host_definition"
	"questhost/quest/internal/bindings/quest_host_types"
	"questhost/quest/internal/bindings/quest_host_variables"
	wit "questhost/quest/internal/wit/types"
)

// Quest is what one declares. T's exported fields are the variables, loaded before an action, and stored after it if they have changed.
type Quest[T any] struct{ *declared }

// Action is what is declared of one.
type Action struct{ *declaredAction }

type declared struct {
	name, description string
	version           uint32
	addOn             []string
	actions           []*declaredAction
	patterns          []declaredPattern
	variables         reflect.Type
	first             reflect.Value
	// What is wrong with it, told when the module is loaded.
	faults []error
}

type declaredAction struct {
	name               string
	run                reflect.Value
	on, every          []string
	isQuery, isPrivate bool
}

type declaredPattern struct {
	name string
	spec any
}

var quests []*declared

// New begins a quest. The module has those that were begun until its `init` functions are through. The first values of its variables are
// Go's zero values, unless First gives others.
func New[T any](name string) Quest[T] {
	variables := reflect.TypeFor[T]()
	made := &declared{name: name, variables: variables, first: reflect.Zero(variables)}
	if variables.Kind() != reflect.Struct {
		made.fault("the variables of quest %s are the fields of a struct, and %s is none", name, variables)
	}
	quests = append(quests, made)
	return Quest[T]{made}
}

// First gives the variables' first values.
func (q Quest[T]) First(variables T) Quest[T] {
	q.first = reflect.ValueOf(variables)
	return q
}

// Describe says in a line what the quest does.
func (q Quest[T]) Describe(text string) Quest[T] {
	q.description = text
	return q
}

// Version is that of the variables' shape: raised when it changes, and then Upgrade meets instances of a lower one.
func (q Quest[T]) Version(version uint32) Quest[T] {
	q.version = version
	return q
}

// AddOn adds the quest to each context in which one of these events arrives.
func (q Quest[T]) AddOn(events ...string) Quest[T] {
	q.addOn = append(q.addOn, events...)
	return q
}

// Action declares an action. Its function takes a *T, then, if it likes, the payload as any type; it may return an answer, an error, or both:
//
//	func(*T), func(*T) error, func(*T, P) error, func(*T, P) (R, error), …
func (q Quest[T]) Action(name string, run any) Action {
	return Action{q.add(&declaredAction{name: name, run: q.checked(name, run)})}
}

// Query declares a function that answers from committed state, and changes nothing.
func (q Quest[T]) Query(name string, run any) {
	q.add(&declaredAction{name: name, run: q.checked(name, run), isQuery: true})
}

// Pattern declares a pattern over events (docs/patterns.md). The spec is JSON text, a map or a struct.
func (q Quest[T]) Pattern(name string, spec any) Quest[T] {
	q.patterns = append(q.patterns, declaredPattern{name, spec})
	return q
}

// Init runs when the quest is added to a context.
func (q Quest[T]) Init(run any) Quest[T] { return q.lifecycle("init", run) }

// Dealloc runs when it is removed.
func (q Quest[T]) Dealloc(run any) Quest[T] { return q.lifecycle("dealloc", run) }

// Upgrade runs when an instance of a lower version meets this one; its payload is that version.
func (q Quest[T]) Upgrade(run any) Quest[T] { return q.lifecycle("upgrade", run) }

func (q Quest[T]) lifecycle(name string, run any) Quest[T] {
	q.add(&declaredAction{name: name, run: q.checked(name, run), isPrivate: name == "init"})
	return q
}

// On runs the action for each of these events.
func (a Action) On(events ...string) Action {
	a.on = append(a.on, events...)
	return a
}

// Every runs the action by a schedule (docs/schedules.md), as a timer of its name.
func (a Action) Every(schedule string) Action {
	a.every = append(a.every, schedule)
	return a
}

func (q *declared) add(action *declaredAction) *declaredAction {
	q.actions = append(q.actions, action)
	return action
}

func (q *declared) fault(format string, args ...any) {
	q.faults = append(q.faults, Fail("invalid-quest", fmt.Sprintf(format, args...)))
}

var errorType = reflect.TypeFor[error]()

// checked sees to it that what is wrong with a function shows when the module is loaded, not when it first runs.
func (q *declared) checked(name string, run any) reflect.Value {
	function := reflect.ValueOf(run)
	kind := reflect.TypeOf(run)
	is := run != nil && kind.Kind() == reflect.Func && (kind.NumIn() == 1 || kind.NumIn() == 2) && kind.In(0) == reflect.PointerTo(q.variables) &&
		!kind.IsVariadic() && (kind.NumOut() <= 1 || kind.NumOut() == 2 && kind.Out(1) == errorType)
	if !is {
		q.fault("%s of quest %s is a func(*%s), perhaps with a payload, that returns an answer, an error, or both; not a %T",
			name, q.name, q.variables.Name(), run)
	}
	return function
}

// What the host asks.

func define() error {
	if len(quests) == 0 {
		return Fail("no-quest", "there is no quest: call quest.New in an `init` function")
	}
	for _, quest := range quests {
		if err := quest.define(); err != nil {
			return err
		}
	}
	return nil
}

func (q *declared) define() error {
	if len(q.faults) > 0 {
		return errors.Join(q.faults...)
	}
	told := []error{done(quest_host_definition.Quest(q.name))}
	tell := func(result wit.Result[wit.Unit, quest_host_types.Error]) { told = append(told, done(result)) }
	if q.description != "" {
		tell(quest_host_definition.Describe(q.description))
	}
	if q.version != 0 {
		tell(quest_host_definition.Version(q.version))
	}
	for _, event := range q.addOn {
		tell(quest_host_definition.AddOn(event))
	}
	for _, action := range q.actions {
		switch {
		case action.isPrivate:
			continue
		case action.isQuery:
			tell(quest_host_definition.Query(action.name))
			continue
		}
		tell(quest_host_definition.Action(action.name))
		for _, event := range action.on {
			tell(quest_host_definition.On(action.name, event))
		}
		for _, schedule := range action.every {
			tell(quest_host_definition.Every(action.name, action.name, schedule))
		}
	}
	for _, pattern := range q.patterns {
		if json, isText := pattern.spec.(string); isText {
			tell(quest_host_definition.PatternJson(pattern.name, json))
			continue
		}
		told = append(told, with(pattern.spec, func(v quest_host_types.Value) wit.Result[wit.Unit, quest_host_types.Error] {
			return quest_host_definition.Pattern(pattern.name, v)
		}))
	}
	return errors.Join(told...)
}

func perform(name string) error {
	of := QuestName()
	at := slices.IndexFunc(quests, func(quest *declared) bool { return quest.name == of })
	if at < 0 {
		return Fail("unknown-action", "there is no quest "+of+" in this module")
	}
	quest := quests[at]
	at = slices.IndexFunc(quest.actions, func(action *declaredAction) bool { return action.name == name })
	if at < 0 {
		if name == "init" {
			return nil
		}
		return Fail("unknown-action", "quest "+of+" has no action "+name)
	}
	return quest.run(quest.actions[at])
}

func (q *declared) run(action *declaredAction) error {
	variables := reflect.New(q.variables)
	variables.Elem().Set(q.first)
	stored, err := q.load(variables.Elem())
	if err != nil {
		return err
	}
	takes := []reflect.Value{variables}
	if action.run.Type().NumIn() == 2 {
		payload := reflect.New(action.run.Type().In(1))
		if err := Payload(payload.Interface()); err != nil {
			return err
		}
		takes = append(takes, payload.Elem())
	}
	for _, given := range action.run.Call(takes) {
		if given.Type() == errorType {
			if err, _ := given.Interface().(error); err != nil {
				return err
			}
		} else if err := Reply(given.Interface()); err != nil {
			return err
		}
	}
	if action.isQuery || action.name == "dealloc" {
		return nil
	}
	return q.store(variables.Elem(), stored)
}

// load gives the fields their variables, and tells what they are to the host.
func (q *declared) load(to reflect.Value) ([]quest_host_types.Value, error) {
	stored := make([]quest_host_types.Value, to.NumField())
	for i := range stored {
		name, isUsed := field(q.variables.Field(i))
		if !isUsed {
			continue
		}
		if value := quest_host_variables.Get(name); value.IsSome() {
			// Not into what First gave: its maps and lists are shared by all actions.
			to.Field(i).SetZero()
			if err := into(value.Some(), to.Field(i).Addr().Interface(), "the variable "+name); err != nil {
				return nil, err
			}
		}
		lowered, err := lower(to.Field(i).Interface())
		if err != nil {
			return nil, err
		}
		stored[i] = lowered
	}
	return stored, nil
}

func (q *declared) store(from reflect.Value, stored []quest_host_types.Value) error {
	for i := range stored {
		name, isUsed := field(q.variables.Field(i))
		if !isUsed {
			continue
		}
		value, err := lower(from.Field(i).Interface())
		if err == nil && !reflect.DeepEqual(value, stored[i]) {
			err = done(quest_host_variables.Set(name, value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ended runs what the host asked for, and gives its failure as the host takes it. A panic is a failure too.
func ended(what func() error) (failure *Error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			failure = &Error{"panic", fmt.Sprint(thrown) + at(debug.Stack())}
			Err("panic: " + fmt.Sprint(thrown) + "\n" + ours(debug.Stack()))
		}
	}()
	err := what()
	if err == nil {
		return nil
	}
	if errors.As(err, &failure) {
		return failure
	}
	return &Error{"error", err.Error()}
}

// ours leaves out of a stack what lies below the panic, and what is this package's and the language's own above the quest.
func ours(stack []byte) string {
	text := string(stack)
	if from := strings.Index(text, "\npanic("); from >= 0 {
		text = text[from+1:]
		// The frame of `panic` itself has two lines.
		for range 2 {
			_, text, _ = strings.Cut(text, "\n")
		}
	}
	if to := strings.Index(text, "\nreflect.Value.call"); to >= 0 {
		text = text[:to]
	}
	return text
}

// at tells the file and line of a panic.
func at(stack []byte) string {
	for line := range strings.Lines(ours(stack)) {
		if place, isPlace := strings.CutPrefix(line, "\t"); isPlace && !strings.Contains(place, "/runtime/") {
			place, _, _ = strings.Cut(place, " ")
			return " (" + strings.TrimSpace(place[strings.LastIndex(place, "/")+1:]) + ")"
		}
	}
	return ""
}
