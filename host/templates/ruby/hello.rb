# Greets whoever comes for the third time, and misses whoever stays away for a week.
quest "hello" do
  describe "Greets the third visit, misses who stays away"
  # The event that adds the quest to a context: to a user, say.
  add_on "visited"

  # Runs when it is added. Instance variables are remembered, of each context its own.
  action :init do
    @visits = 0
  end

  action :visit, on: "visited" do
    @visits += 1
    publish "welcome-back", @visits if @visits == 3
    # A timer, named `absent`. Set again it moves.
    after 7.days, :miss, name: "absent"
  end

  # Called by the timer.
  action :miss do
    publish "missed-you", @visits
  end

  # Reads and answers: quest-host query ada hello total
  query(:total) { @visits }
end
