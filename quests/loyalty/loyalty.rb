# Points for what a customer buys: they grow with the tier, and lapse after a year without a purchase.

TIERS = {"gold" => 2000, "silver" => 500, "basic" => 0}
BONUS = {"gold" => 2.0, "silver" => 1.5, "basic" => 1.0}
COUPON = /\A(?<kind>WELCOME|BIRTHDAY)-(?<points>\d{1,3})\z/i

quest :loyalty do
  describe "points, tiers and coupons of a shop's customers"
  add_on "purchased", "coupon-entered", "points-given"
  every "1st of the month at 09:00", :statement

  def tier
    TIERS.find { |_, from| @earned >= from }.first
  end

  def earn(points, why)
    before = tier
    @points += points
    @earned += points
    @history.unshift({at: now.strftime("%Y-%m-%d"), points: points, why: why})
    @history.pop if @history.size > 20
    publish "tier", {from: before, to: tier} if tier != before
  end

  action :init do
    @points = @earned = 0
    @coupons = []
    @history = []
  end

  action :purchase, on: "purchased" do |order|
    cents = Integer(order["cents"])
    raise Failure.new("invalid-order", "an order costs something, not #{cents} cents") unless cents > 0

    earn (cents / 100 * BONUS[tier]).to_i, "order #{order["id"]}"
    after 335.days, :warn_of_lapse
    after 365.days, :lapse
  end

  action :coupon, on: "coupon-entered" do |code|
    coupon = COUPON.match(code.to_s.strip)
    return publish("coupon-refused", code) if coupon.nil? || @coupons.include?(coupon[:kind].upcase)

    @coupons << coupon[:kind].upcase
    earn coupon[:points].to_i, "coupon #{coupon[:kind].downcase}"
  end

  action :redeem do |points|
    raise Failure.new("too-few-points", "there are #{@points} points, not #{points}") if points > @points

    @points -= points
    reply @points
  end

  # Points of one customer become those of another: quest.toml asks for other contexts.
  action :give do |gift|
    points = Integer(gift["points"])
    raise Failure.new("too-few-points", "there are #{@points} points, not #{points}") unless points.between?(1, @points)

    @points -= points
    emit "points-given", {from: context, points: points}, context: gift["to"]
    reply @points
  end

  action :receive, on: "points-given" do |gift|
    earn gift["points"], "a gift of #{gift["from"]}"
  end

  action :warn_of_lapse do
    publish "mail", {template: "points-lapse", points: @points, on: due(:lapse).strftime("%-d %B %Y")} if @points > 0
  end

  action :lapse do
    @points = 0
  end

  action :statement do
    publish "mail", {template: "statement", points: @points, tier: tier, entries: @history.first(5)} unless @history.empty?
  end

  query(:balance) { {points: @points, tier: tier} }
end
